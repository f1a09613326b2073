#include "thex/encoder/calibration.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/encoder/rows/weights.h"
#include "thex/model/reference.h"

namespace thex::encoder {

void measure_weights(model::Model& model) {
  // The weights' owner for as long as they are read.
  const auto shared = std::make_shared<model::Model>(std::move(model));
  const EncoderWeights weights{std::shared_ptr<const model::Model>(shared)};
  std::vector<model::LayerWeights> sizes;
  for (int layer = 0; layer < shared->config.layers; ++layer) sizes.push_back(weights.sizes(layer));
  model = std::move(*shared);
  std::vector<model::LayerRanges>& layers = model.config.thex.value().layers;
  layers.resize(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) layers[i].weights = sizes[i];
}

void calibrate(model::Model& model, std::span<const std::vector<double>> texts) {
  model::HeSection& section = model.config.thex.value();
  section.layers = model::measure_ranges(model, texts);
  section.max_logit = section.max_relu_input = 0;
  for (const std::vector<double>& text : texts) {
    const model::ForwardResult result = model::forward_embedded(model, text);
    section.max_relu_input = std::max(section.max_relu_input, result.max_relu_input);
    for (const double logit : result.logits) {
      if (!std::isfinite(logit)) throw Error(ErrorCode::model, "the model's logits are not finite");
      section.max_logit = std::max(section.max_logit, std::abs(logit));
    }
  }
  measure_weights(model);
}

}  // namespace thex::encoder
