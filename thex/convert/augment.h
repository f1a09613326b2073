// More text for distillation, without labels: variants of training examples that the teacher then judges. A share of
// the words is replaced by neighbours in the embedding space, and some examples are joined with another one. After
// TinyBERT's data augmentation (Jiao et al. 2020), with neighbours in place of a language model's guesses.
#pragma once

#include "thex/convert/data.h"

namespace thex::convert {

struct AugmentOptions {
  std::size_t count = 0;       // examples to make
  double replace = 0.25;       // chance of each word
  double join = 0.3;           // chance of joining a second example
  std::size_t min_length = 6;  // shorter examples are not varied
  std::size_t max_length = 128;
  int neighbours = 10;  // of these, one is drawn
  std::uint64_t seed = 1;
};

// `words`: [V, H] embeddings; `replaceable`: for each vocabulary id whether it is a whole word (not a special token, a
// continuation piece or punctuation). The examples have no label, value or
// tags. Pairs and sentences of words are varied but not joined. Deterministic. Throws Error(input) unless can_vary.
DataSet augment(const DataSet& data, const torch::Tensor& words, const std::vector<char>& replaceable,
                const AugmentOptions& options);

// Whether `data` has an example of min_length.
bool can_vary(const DataSet& data, const AugmentOptions& options);

// Whole words of at least two letters.
std::vector<char> replaceable_words(const text::Tokenizer& tokenizer);

}  // namespace thex::convert
