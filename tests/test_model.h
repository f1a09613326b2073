// Models and processes for the end-to-end tests.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "thex/base/file.h"
#include "thex/bert/model.h"
#include "thex/bert/testing.h"

namespace thex::testing {

struct ModelShape {
  int layers = 1, hidden = 64, heads = 2, ffn = 64;
  int max_tokens = 32;
  double max_relu_input = 40;
  std::uint64_t seed = 1;
  bert::Task task = bert::Task::classification;
  bert::Protocol protocol = bert::Protocol::the_x;
  std::vector<std::string> labels = {"negative", "positive"};
};

// Writes a random HE-friendly model and a vocabulary of common words, letters and
// "##" letters.
inline bert::Model write_model(const std::filesystem::path& folder, const ModelShape& shape) {
  std::string vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  int count = 5;
  for (const char* word : {"a",    "the", "film", "movie", "is", "was", "good", "bad",  "gripping", "beautiful",
                           "dull", "and", "of",   ",",     ".",  "!",   "not",  "very", "it",       "'"}) {
    vocab += std::string(word) + "\n";
    ++count;
  }
  for (char c = 'b'; c <= 'z'; ++c, ++count) vocab += std::string(1, c) + "\n";
  for (char c = 'a'; c <= 'z'; ++c, ++count) vocab += "##" + std::string(1, c) + "\n";
  bert::ModelConfig config;
  config.layers = shape.layers;
  config.hidden = shape.hidden;
  config.heads = shape.heads;
  config.ffn = shape.ffn;
  config.vocab = count;
  config.max_positions = shape.max_tokens;
  const bool polynomial = shape.protocol == bert::Protocol::one_round;
  config.activation = polynomial ? bert::Activation::square : bert::Activation::relu;
  config.pooler = false;
  config.labels = shape.labels;
  config.task = shape.task;
  config.thex = bert::HeSection{.softmax = polynomial ? bert::Softmax::power : bert::Softmax::estimation,
                                .norm = bert::Norm::affine,
                                .max_relu_input = shape.max_relu_input,
                                .max_logit = shape.max_relu_input};
  const bert::Model model = polynomial         ? bert::testing::calm_polynomial_model(config, shape.seed)
                            : shape.layers > 2 ? bert::testing::calm_model(config, shape.seed, shape.max_tokens)
                                               : bert::testing::random_model(config, shape.seed);
  std::filesystem::create_directories(folder);
  const bert::testing::TemporaryFolder words;
  write_file_atomically(words.path() / "vocab.txt", vocab);
  bert::save_model(model, folder, words.path() / "vocab.txt", bert::Dtype::f32);
  return model;
}

}  // namespace thex::testing
