// Models and processes for the end-to-end tests.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/models.h"
#include "thex/base/file.h"
#include "thex/encoder/calibration.h"
#include "thex/model/model.h"
#include "thex/model/reference.h"

namespace thex::testing {

struct ModelShape {
  int layers = 1, hidden = 64, heads = 2, ffn = 64;
  int max_tokens = 32;
  double max_relu_input = 40;
  std::uint64_t seed = 1;
  model::Task task = model::Task::classification;
  model::Protocol protocol = model::Protocol::the_x;
  std::vector<std::string> labels = {"negative", "positive"};
};

// Writes a random HE-friendly model and a vocabulary of common words, letters and
// "##" letters.
inline model::Model write_model(const std::filesystem::path& folder, const ModelShape& shape) {
  std::string vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  int count = 5;
  for (const char* word : {"a",    "the", "film", "movie", "is", "was", "good", "bad",  "gripping", "beautiful",
                           "dull", "and", "of",   ",",     ".",  "!",   "not",  "very", "it",       "'"}) {
    vocab += std::string(word) + "\n";
    ++count;
  }
  for (char c = 'b'; c <= 'z'; ++c, ++count) vocab += std::string(1, c) + "\n";
  for (char c = 'a'; c <= 'z'; ++c, ++count) vocab += "##" + std::string(1, c) + "\n";
  model::ModelConfig config;
  config.layers = shape.layers;
  config.hidden = shape.hidden;
  config.heads = shape.heads;
  config.ffn = shape.ffn;
  config.vocab = count;
  config.max_positions = shape.max_tokens;
  const model::ProtocolRow& row = row_of(shape.protocol);
  config.activation = row.activation;
  config.pooler = false;
  config.labels = shape.labels;
  config.task = shape.task;
  config.thex = model::HeSection{.softmax = row.softmax,
                                 .norm = row.norm,
                                 .max_relu_input = shape.max_relu_input,
                                 .max_logit = shape.max_relu_input};
  model::Model model = row.polynomial()   ? support::calm_polynomial_model(config, shape.seed)
                       : shape.layers > 2 ? support::calm_model(config, shape.seed, shape.max_tokens)
                                          : support::random_model(config, shape.seed);
  if (row.norm == model::Norm::mean_square) {  // for many layers, whose precision sizes must tell
    std::vector<std::vector<double>> texts;
    for (const int length : {shape.max_tokens / 8, shape.max_tokens / 2}) {
      const std::vector<std::int32_t> ids = support::random_ids(std::max(3, length), shape.seed);
      texts.push_back(model::embed(model, ids, std::vector<std::int32_t>(ids.size(), 0)));
    }
    encoder::calibrate(model, texts);
  }
  std::filesystem::create_directories(folder);
  const support::TemporaryFolder words;
  write_file_atomically(words.path() / "vocab.txt", vocab);
  model::save_model(model, folder, words.path() / "vocab.txt", checkpoint::Dtype::f32);
  return model;
}

}  // namespace thex::testing
