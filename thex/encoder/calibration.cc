#include "thex/encoder/calibration.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "thex/base/error.h"
#include "thex/encoder/rows/weights.h"
#include "thex/model/reference.h"

namespace thex::encoder {
namespace {

// Errors that are tried at each point, over all texts: a root mean square of so many is right within a half.
constexpr int kErrors = 8;

std::vector<model::LayerRanges>& layers_of(model::Model& model) {
  std::vector<model::LayerRanges>& layers = model.config.thex.value().layers;
  layers.resize(static_cast<std::size_t>(model.config.layers));
  return layers;
}

double root_mean_square(std::span<const std::vector<double>> texts) {
  double sum = 0, count = 0;
  for (const std::vector<double>& text : texts) {
    for (const double x : text) sum += x * x;
    count += static_cast<double>(text.size());
  }
  return std::sqrt(sum / std::max(1.0, count));
}

}  // namespace

void measure_weights(model::Model& model) {
  const EncoderWeights weights(
      std::shared_ptr<const model::Model>(std::shared_ptr<const void>(), &model));  // not owned
  std::vector<model::LayerRanges>& layers = layers_of(model);
  for (int layer = 0; layer < model.config.layers; ++layer)
    layers[static_cast<std::size_t>(layer)].weights = weights.sizes(layer);
}

void measure_errors(model::Model& model, std::span<const std::vector<double>> texts) {
  if (texts.empty()) throw Error(ErrorCode::input, "no texts to measure errors on");
  const int count = static_cast<int>(texts.size());
  const std::vector<model::LayerSensitivity> measured =
      model::measure_sensitivity(model, texts, (kErrors + count - 1) / count);
  for (std::size_t i = 0; i < measured.size(); ++i)
    if (!std::isfinite(measured[i].input + measured[i].context + measured[i].attention_sum))
      throw Error(ErrorCode::model, "errors of layer " + std::to_string(i) + " make the model's logits not finite");
  std::vector<model::LayerRanges>& layers = layers_of(model);
  for (std::size_t i = 0; i < measured.size(); ++i) layers[i].sensitivity = measured[i];
  model.config.thex->embedding_rms = root_mean_square(texts);
}

void widen_sizes(model::Model& model, std::span<const std::vector<double>> texts) {
  using Ranges = model::LayerRanges;
  const model::ValueSizes sizes = model::measure_sizes(model, texts);
  if (!std::isfinite(sizes.max_logit)) throw Error(ErrorCode::model, "the model's logits are not finite");
  model::HeSection& section = model.config.thex.value();
  section.max_logit = std::max(section.max_logit, sizes.max_logit);
  section.max_relu_input = std::max(section.max_relu_input, sizes.max_relu_input);
  std::vector<Ranges>& layers = layers_of(model);
  const auto widen = [&](const std::vector<Ranges>& by) {
    for (std::size_t i = 0; i < layers.size(); ++i)
      for (model::Range Ranges::*point :
           {&Ranges::score, &Ranges::cube, &Ranges::cube_sum, &Ranges::context, &Ranges::attention_sum,
            &Ranges::attention_norm, &Ranges::ffn, &Ranges::output_norm}) {
        if (!std::isfinite((by[i].*point).rms + (by[i].*point).max))
          throw Error(ErrorCode::model, "values of layer " + std::to_string(i) + " are not finite");
        (layers[i].*point).widen(by[i].*point);
      }
  };
  widen(sizes.layers);
  if (section.softmax == model::Softmax::power) widen(model::measure_padding(model, texts));
}

void calibrate(model::Model& model, std::span<const std::vector<double>> texts) {
  model::HeSection& section = model.config.thex.value();
  section.layers.clear();
  section.max_logit = section.max_relu_input = 0;
  widen_sizes(model, texts);
  measure_weights(model);
  if (!model.config.labels.empty()) measure_errors(model, texts);  // a backbone has no outputs
}

}  // namespace thex::encoder
