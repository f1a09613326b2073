// How large the encoder's values are taken to be where nothing was measured, and what was measured where it was.
#pragma once

#include "thex/model/config.h"

namespace thex::encoder {

// A norm takes a sum of two vectors near 1 back to values near 1: gamma' on either.
inline constexpr double kNormGain = 0.7;
// The slope of a norm by mean squares, of a sum near 1: half of the way to none.
inline constexpr double kAssumedSlope = 0.5;

// The sizes of a layer's weights, where the configuration says them.
const model::LayerWeights* known_weights(const model::ModelConfig& config, int layer);

// What a layer is taken to compute: its calibrated ranges, or, without calibration, values near 1. `tokens`: of the
// length bucket, for the sums over keys. Throws Error(model) for ranges that are no numbers above 0.
model::LayerRanges assumed_ranges(const model::ModelConfig& config, int layer, double tokens);

// How much errors of a layer's values change the outputs: as measured, or, where it was not measured of every layer, as
// much as errors of the outputs themselves, as if layers and classifier kept errors as they are.
model::LayerSensitivity assumed_sensitivity(const model::ModelConfig& config, int layer);

// The root mean square of what a layer is given, where it was measured: of the embeddings, or the layer before; else 0.
double known_input_size(const model::ModelConfig& config, int layer);

}  // namespace thex::encoder
