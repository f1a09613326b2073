// What is known of a model, or assumed, told to predictions of precision: sizes of values, and how much their errors
// change the outputs.
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

double PolynomialBuilder::size_of(int layer, model::Range model::LayerRanges::*point) const {
  return (assumed_ranges(weights_.config(), layer, static_cast<double>(layout_.bucket)).*point).rms;
}

double PolynomialBuilder::size_of_sum(int layer) const {
  return size_of(layer,
                 scales_by_mean_square() ? &model::LayerRanges::attention_sum : &model::LayerRanges::attention_norm);
}

void PolynomialBuilder::set_input(int layer, const State& state) {
  Blocks values = state.x;
  values.insert(values.end(), state.shifted.begin(), state.shifted.end());
  const double size = assumed_input_size(weights_.config(), layer, static_cast<double>(layout_.bucket));
  for (const Value value : values) b_.set_size(value, size);
  b_.set_sensitivity(values, assumed_sensitivity(weights_.config(), layer).input);
}

void PolynomialBuilder::set_context(int layer, std::span<const Value> context) {
  const double sensitivity = assumed_sensitivity(weights_.config(), layer).context;
  if (sensitivity > 0) b_.set_sensitivity(context, sensitivity / static_cast<double>(layout_.turns), false);
}

void PolynomialBuilder::set_attention_sum(int layer, const Blocks& x1) {
  for (const Value value : x1) b_.set_size(value, size_of_sum(layer));
  if (!merges()) b_.set_sensitivity(x1, assumed_sensitivity(weights_.config(), layer).attention_sum);
}

}  // namespace thex::encoder
