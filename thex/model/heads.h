// The heads of models, as a table: what their outputs mean.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace thex::model {

// One class of the whole text (logits of [CLS]), one real number for it (one output of [CLS]), or one class for every
// token. A text may be a pair for the first two. Hugging Face's BertForSequenceClassification is these (its
// "problem_type" or a single label decides), BertForTokenClassification the third.
enum class Task { classification, regression, token_classification };

// The most outputs of a head that can be computed under encryption, of a whole text or of a token.
inline constexpr std::size_t kMaxLabels = 64;
// The most that are read from a plain model's files.
inline constexpr std::size_t kMaxListedLabels = 100'000;

struct HeadRow {
  Task task;
  const char* name;   // in files: "token_classification"
  const char* words;  // in sentences: "token classification"
  bool by_token;      // a row of outputs for every token, else one for the whole text (or pair of texts)
  bool classes;       // outputs are logits of classes, else one real number
  std::size_t least_labels, most_labels;
  const char* architecture;  // Hugging Face's class
  const char* problem_type;  // its "problem_type", nullptr where there is none
};

// A row for each, in the order of the enumeration.
std::span<const HeadRow> heads();
const HeadRow& row_of(Task task);
inline const char* name_of(Task task) { return row_of(task).name; }
inline bool by_token(Task task) { return row_of(task).by_token; }

}  // namespace thex::model
