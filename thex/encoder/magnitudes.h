// How large the encoder's values are taken to be when precision is predicted from the configuration alone, so that
// client and server agree: from calibration (HeSection::layers) where it is there, else as LayerNorm leaves them.
#pragma once

#include "thex/circuit/planner.h"
#include "thex/model/config.h"

namespace thex::encoder {

// A norm takes a sum of two vectors near 1 back to values near 1: gamma' on either.
inline constexpr double kNormGain = 0.7;

// What a layer is taken to compute: its calibrated ranges, or, without calibration, values near 1. `tokens`: of the
// length bucket, for the sums over keys. Throws Error(model) for ranges that are no numbers above 0.
model::LayerRanges assumed_ranges(const model::ModelConfig& config, int layer, double tokens);

// Root mean squares for every step of the encoder's programs. Matrices count as keeping magnitudes, over
// all slots of rows [y | 0]; values never count as larger than their layer's ranges say, so that predictions do not
// grow from layer to layer beyond what LayerNorm allows.
circuit::AssumedMagnitudes assumed_magnitudes(const model::ModelConfig& config);

}  // namespace thex::encoder
