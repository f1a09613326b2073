// Helpers of the tests of the tests about models: where optional data lies, temporary folders, small random models.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <utility>

#include "tests/support/temporary_folder.h"
#include "thex/base/error.h"
#include "thex/model/model.h"

namespace thex::support {

// The folder of optional test data: THEX_DATA, or shared/data beside the repository. Empty when there is none.
inline std::filesystem::path data_folder() {
  if (const char* folder = std::getenv("THEX_DATA")) return std::filesystem::is_directory(folder) ? folder : "";
  const std::filesystem::path sibling = std::filesystem::path(THEX_SOURCE_DIR) / "../shared/data";
  return std::filesystem::is_directory(sibling) ? sibling : std::filesystem::path{};
}

// BERT's standard 30,522-line vocabulary, from the models of the repository or the optional data. Empty when missing.
inline std::filesystem::path standard_vocab() {
  const std::filesystem::path own = std::filesystem::path(THEX_SOURCE_DIR) / "models/bert-tiny-sst2/vocab.txt";
  if (std::filesystem::exists(own)) return own;
  const std::filesystem::path data = data_folder();
  if (!data.empty() && std::filesystem::exists(data / "minilm-l6-v2/vocab.txt")) return data / "minilm-l6-v2/vocab.txt";
  return {};
}

using thex::TemporaryFolder;

// The message of the thex::Error with that code which `action` throws; a test failure when it throws none.
template <typename Action>
std::string error_of(ErrorCode code, Action&& action) {
  try {
    std::forward<Action>(action)();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

// A repeatable stream of numbers, uniform in [-1, 1).
class Uniform {
 public:
  explicit Uniform(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  double operator()() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<double>(static_cast<std::int64_t>(state_)) * 0x1p-63;
  }

 private:
  std::uint64_t state_;
};

// Every tensor that `config` implies, with values of about the size that trained models have.
inline model::Model random_model(const model::ModelConfig& config, std::uint64_t seed) {
  model::Model model{config, {}};
  Uniform uniform(seed);
  for (const auto& [name, shape] : expected_tensors(config)) {
    std::size_t count = 1;
    for (const auto d : shape) count *= static_cast<std::size_t>(d);
    checkpoint::Tensor tensor{shape, std::vector<float>(count)};
    double scale = shape.size() == 2 ? std::sqrt(3.0 / static_cast<double>(shape[1])) : 0.1;
    if (name.find(".estimation.") != std::string::npos) scale *= 0.05;  // keeps P = c * T(sum c) of the order of one
    if (name.ends_with(".slope")) scale = 0.01;
    const double offset = name.ends_with("LayerNorm.weight") ? 1.0 : name.ends_with(".slope") ? -0.1 : 0.0;
    for (float& value : tensor.data) value = static_cast<float>(offset + scale * uniform());
    model.tensors.emplace(name, std::move(tensor));
  }
  return model;
}

// The same for an HE-friendly model of many layers, with sizes that stay: norms scale a sum of two vectors back to
// one's size, and T is near 1 / (4 `tokens`), whatever its input.
inline model::Model calm_model(const model::ModelConfig& config, std::uint64_t seed, double tokens) {
  model::Model model = random_model(config, seed);
  for (auto& [name, tensor] : model.tensors) {
    double factor = 1;
    if (name.starts_with("encoder.") && name.ends_with("LayerNorm.weight")) factor = 0.85;
    if (name.ends_with("estimation.0.weight")) factor = 1 / tokens;
    if (name.ends_with("estimation.4.weight")) factor = 1 / tokens;
    for (float& value : tensor.data) value = static_cast<float>(factor * value);
    if (name.ends_with("estimation.4.bias")) tensor.data[0] = static_cast<float>(1 / (4 * tokens));
  }
  return model;
}

// The same for a model of squares and powers: those of random weights grow.
inline model::Model calm_polynomial_model(const model::ModelConfig& config, std::uint64_t seed) {
  model::Model model = random_model(config, seed);
  for (auto& [name, tensor] : model.tensors)
    if (name.starts_with("encoder."))
      for (float& value : tensor.data) value *= 0.6f;
  return model;
}

// Ids of small_config's vocabulary.
inline std::vector<std::int32_t> random_ids(int count, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  for (auto& id : ids) id = static_cast<std::int32_t>(engine() % 50);
  return ids;
}

inline model::ModelConfig small_config() {
  model::ModelConfig config;
  config.hidden = 16;
  config.heads = 2;
  config.ffn = 32;
  config.vocab = 50;
  config.max_positions = 24;
  config.labels = {"negative", "positive"};
  return config;
}

}  // namespace thex::support
