#include "thex/encoder/calibration.h"

#include <cmath>
#include <memory>

#include "thex/base/error.h"
#include "thex/encoder/rows/weights.h"
#include "thex/model/reference.h"

namespace thex::encoder {

void measure_weights(model::Model& model) {
  const EncoderWeights weights(
      std::shared_ptr<const model::Model>(std::shared_ptr<const void>(), &model));  // not owned
  std::vector<model::LayerRanges>& layers = model.config.thex.value().layers;
  layers.resize(static_cast<std::size_t>(model.config.layers));
  for (int layer = 0; layer < model.config.layers; ++layer)
    layers[static_cast<std::size_t>(layer)].weights = weights.sizes(layer);
}

void calibrate(model::Model& model, std::span<const std::vector<double>> texts) {
  const model::ValueSizes sizes = model::measure_sizes(model, texts);
  if (!std::isfinite(sizes.max_logit)) throw Error(ErrorCode::model, "the model's logits are not finite");
  model::HeSection& section = model.config.thex.value();
  section.layers = sizes.layers;
  section.max_logit = sizes.max_logit;
  section.max_relu_input = sizes.max_relu_input;
  measure_weights(model);
}

}  // namespace thex::encoder
