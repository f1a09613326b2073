// What is known of a model, told to predictions of precision: sizes of values, and what becomes of errors from the
// input of a layer to the norm after its attention, and from there to the next layer or the outputs.
#include <cmath>

#include "thex/encoder/polynomial/builder.h"
#include "thex/encoder/rows/assumed_ranges.h"

namespace thex::encoder {

// 1/n in n of the rows: a text is taken to fill half of its bucket, as those that are too long for the one before do.
void PolynomialBuilder::set_weight_sizes() {
  const double size = M_SQRT2 / static_cast<double>(layout_.bucket);
  b_.set_size(weight_of_keys_, size);
  if (layout_.copies > 1) b_.set_size(weight_shifted_, size);
}

void PolynomialBuilder::set_size_of(int layer, model::Range model::LayerRanges::*point, Value value) {
  const auto& thex = weights_.config().thex;
  if (!thex->layers.empty()) b_.set_size(value, (thex->layers.at(static_cast<std::size_t>(layer)).*point).rms);
}

void PolynomialBuilder::set_input(int layer, const State& state) {
  Blocks values = state.x;
  values.insert(values.end(), state.shifted.begin(), state.shifted.end());
  for (const Value value : values) b_.set_size(value, known_input_size(weights_.config(), layer));
  const model::LayerSensitivity here = assumed_sensitivity(weights_.config(), layer);
  b_.set_error_gain(values, here.input / (merges() ? sensitivity_after(layer) : here.attention_sum));
}

void PolynomialBuilder::set_attention_sum(int layer, const Blocks& x1) {
  for (const Value value : x1)
    set_size_of(layer,
                scales_by_mean_square() ? &model::LayerRanges::attention_sum : &model::LayerRanges::attention_norm,
                value);
  if (merges()) return;
  b_.set_error_gain(x1, assumed_sensitivity(weights_.config(), layer).attention_sum / sensitivity_after(layer));
}

double PolynomialBuilder::sensitivity_after(int layer) const {
  const model::ModelConfig& config = weights_.config();
  return layer + 1 < config.layers ? assumed_sensitivity(config, layer + 1).input : 1;
}

}  // namespace thex::encoder
