// Shared by the fuzz targets that need a model: one layer, 64 features, ten tokens.
#pragma once

#include "thex/bert/model.h"

namespace thex::fuzz {

inline bert::ModelConfig small_config() {
  bert::ModelConfig c;
  c.layers = 1, c.hidden = 64, c.heads = 1, c.ffn = 64, c.vocab = 10, c.max_positions = 16;
  c.activation = bert::Activation::relu, c.pooler = false, c.labels = {"negative", "positive"};
  c.thex = bert::HeSection{
      .softmax = bert::Softmax::estimation, .norm = bert::Norm::affine, .max_relu_input = 40, .max_logit = 40};
  return c;
}

inline bert::Model small_model() {
  bert::Model model{small_config(), {}};
  for (const auto& [name, shape] : bert::expected_tensors(model.config)) {
    std::size_t count = 1;
    for (const auto d : shape) count *= static_cast<std::size_t>(d);
    model.tensors.emplace(name, bert::Tensor{shape, std::vector<float>(count, 0.01f)});
  }
  return model;
}

}  // namespace thex::fuzz
