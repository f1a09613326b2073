// Shared by the fuzz targets that need a model: one layer, 64 features, ten tokens.
#pragma once

#include "thex/model/model.h"

namespace thex::fuzz {

inline model::ModelConfig small_config() {
  model::ModelConfig c;
  c.layers = 1, c.hidden = 64, c.heads = 1, c.ffn = 64, c.vocab = 10, c.max_positions = 16;
  c.activation = model::Activation::relu, c.pooler = false, c.labels = {"negative", "positive"};
  c.thex = model::HeSection{
      .softmax = model::Softmax::estimation, .norm = model::Norm::affine, .max_relu_input = 40, .max_logit = 40};
  return c;
}

// Two layers of polynomials, for masked rounds.
inline model::ModelConfig small_polynomial_config() {
  model::ModelConfig c = small_config();
  c.layers = 2, c.hidden = 32, c.ffn = 32;
  c.activation = model::Activation::square;
  c.thex = model::HeSection{
      .softmax = model::Softmax::power, .norm = model::Norm::mean_square, .max_relu_input = 10, .max_logit = 10};
  return c;
}

inline model::Model small_model(const model::ModelConfig& config = small_config()) {
  model::Model model{config, {}};
  for (const auto& [name, shape] : model::expected_tensors(model.config)) {
    std::size_t count = 1;
    for (const auto d : shape) count *= static_cast<std::size_t>(d);
    model.tensors.emplace(name, checkpoint::Tensor{shape, std::vector<float>(count, 0.01f)});
  }
  return model;
}

}  // namespace thex::fuzz
