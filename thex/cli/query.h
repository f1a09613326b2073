// What `thex classify` asks for one text: its tokens and, for a token classifier, its words; and what the answer says
// of each word.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "thex/cli/text_source.h"
#include "thex/text/tokenizer.h"
#include "thex/transport/session.h"

namespace thex::cli {

struct Query {
  std::string text;
  std::optional<std::string> pair;
  text::Encoding encoding;
  // Token classification: the words, and where they lie in `text` (empty when they were given one by one).
  std::vector<std::string> words;
  std::vector<text::TextSpan> spans;
};

// Throws Error(input) for a text that is not UTF-8 or longer than the largest length bucket, Error(usage) for a
// pair where the model classifies tokens.
Query make_query(const Text& text, const client::ClientModel& model);

// What a token classifier says of a word: the class of its first token. A word without a token (only characters that
// the clean-up removes) has the label "O" where there is one, else label 0, and no score.
struct WordTag {
  std::size_t label = 0;
  std::optional<double> score;  // softmax probability
};
std::vector<WordTag> word_tags(const client::Answer& result, const Query& query, const model::ModelConfig& config);

// An entity of the text: words [begin, end) that the tags mark as one, in any scheme of data/tags.h; none where the
// model's labels are of no scheme. `thex eval` counts the same ones.
struct TextEntity {
  std::string type, text;
  std::size_t begin = 0, end = 0;
  double score = 0;  // mean over its words
};
std::vector<TextEntity> entities(const std::vector<WordTag>& tags, const Query& query,
                                 const model::ModelConfig& config);

}  // namespace thex::cli
