// From what a file writes for a label to the index of a class.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "thex/data/task.h"

namespace thex::data {

class LabelIndex {
 public:
  explicit LabelIndex(std::vector<std::string> names);

  // The class of a name; where no name is a number, of an index too ("1"). Nothing for another text.
  std::optional<int> find(const std::string& text) const;
  // The name that a name or index stands for.
  std::optional<std::string> name_of(const std::string& text) const;
  // What may be written, for messages.
  std::string allowed() const;

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, int> index_;
  bool numbers_allowed_;
};

// A finite decimal number, nothing before or after it.
std::optional<double> parse_value(const std::string& text);

// Label names sorted: by value where all are numbers, else by their bytes.
std::vector<std::string> in_label_order(std::vector<std::string> names);

// The index in task.labels of the class that f1 counts, for two classes: the one that task.positive names; without a
// name the affirmative one of opposites that everybody knows (true and false, yes and no, positive and negative, X and
// not_X) or the larger of two numbers (1 and -1, LABEL_1 and LABEL_0), whatever their order; else the second one.
// Nothing where there are not two classes. Throws Error(usage) when task.positive is none of the labels or there are
// not two classes.
std::optional<std::size_t> positive_class(const TaskSpec& task);

// Throws Error(model) when two outputs of a model have one name: a score could not tell them apart. `config`: the file
// that names them, for the message.
void require_distinct(const std::vector<std::string>& model, const std::string& config = "config.json");

// For each of a task's labels the model's output: equal names but for the case of ASCII letters; the same order where
// the model's are numbers (0, 1 ..) or Hugging Face's names of outputs that nobody has named (LABEL_0 ..). Throws
// Error(usage) when the numbers of labels differ or a label is none of the model's.
std::vector<int> match_labels(const std::vector<std::string>& task, const std::vector<std::string>& model);

}  // namespace thex::data
