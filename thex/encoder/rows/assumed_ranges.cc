#include "thex/encoder/rows/assumed_ranges.h"

#include <cmath>
#include <string>

#include "thex/base/error.h"

namespace thex::encoder {

const model::LayerWeights* known_weights(const model::ModelConfig& config, int layer) {
  if (layer < 0 || !config.thex || config.thex->layers.empty()) return nullptr;
  const auto& weights = config.thex->layers.at(static_cast<std::size_t>(layer)).weights;
  return weights ? &*weights : nullptr;
}

model::LayerSensitivity assumed_sensitivity(const model::ModelConfig& config, int layer) {
  constexpr model::LayerSensitivity kept{.input = 1, .attention_sum = 1};
  if (!config.thex || config.thex->layers.empty()) return kept;
  for (const model::LayerRanges& each : config.thex->layers)
    if (!each.sensitivity || !(each.sensitivity->input > 0) || !(each.sensitivity->attention_sum > 0)) return kept;
  return *config.thex->layers.at(static_cast<std::size_t>(layer)).sensitivity;
}

double known_input_size(const model::ModelConfig& config, int layer) {
  if (!config.thex || config.thex->layers.empty()) return 0;
  if (layer == 0) return config.thex->embedding_rms;
  return config.thex->layers.at(static_cast<std::size_t>(layer) - 1).output_norm.rms;
}

model::LayerRanges assumed_ranges(const model::ModelConfig& config, int layer, double tokens) {
  if (!config.thex || config.thex->layers.empty()) {
    // Queries, keys and values near 1: u = 1 +- 1/2, and c = u^3 is near 2.
    return {.score = {1.2, 3},
            .cube = {2, 27},
            .cube_sum = {2 * tokens, 27 * tokens},
            .context = {1, 4},
            .attention_sum = {1, 4},
            .attention_norm = {1, 4},
            .ffn = {1, 4},
            .output_norm = {1, 4}};
  }
  const model::LayerRanges& ranges = config.thex->layers.at(static_cast<std::size_t>(layer));
  const bool summed = config.thex->norm == model::Norm::mean_square;
  for (const model::Range& r : {ranges.score, ranges.cube, ranges.cube_sum, ranges.context, ranges.attention_norm,
                                ranges.ffn, ranges.output_norm, summed ? ranges.attention_sum : ranges.score}) {
    if (!(r.rms > 0) || !std::isfinite(r.rms))
      throw Error(ErrorCode::model, "config.json, section \"thex\", layer " + std::to_string(layer) +
                                        ": a range has rms " + std::to_string(r.rms) +
                                        ", expected more than 0: run `thex convert` again");
  }
  return ranges;
}

}  // namespace thex::encoder
