// How large the encoder's values are taken to be when precision is predicted from the configuration alone, so that
// client and server agree: from calibration (HeSection::layers) where it is there, else as LayerNorm leaves them.
#pragma once

#include "thex/circuit/planner.h"
#include "thex/model/config.h"

namespace thex::encoder {

// Root mean squares for every step of the encoder's programs. Matrices count as keeping magnitudes, over
// all slots of rows [y | 0]; values never count as larger than their layer's ranges say, so that predictions do not
// grow from layer to layer beyond what LayerNorm allows.
circuit::AssumedMagnitudes assumed_magnitudes(const model::ModelConfig& config);

}  // namespace thex::encoder
