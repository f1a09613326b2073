// One labelled example of any task, as read from a file and before tokenization.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace thex::data {

struct Example {
  std::string text;                 // classification and regression; empty for token classification
  std::optional<std::string> pair;  // the second text of pair tasks
  std::vector<std::string> words;   // token classification: the words of a sentence, in order
  int label = -1;                   // classification: index into the task's labels; -1: none given
  double value = 0;                 // regression: the target; not a number when none is given
  std::vector<int> tags;            // token classification: one label index a word; empty: none given
};

}  // namespace thex::data
