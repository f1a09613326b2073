// The steps of the encoder's circuits: what their nodes are called in profiles and errors, and how large their values
// are taken to be when precision is predicted from the configuration alone, so that client and server agree: from
// calibration (HeSection::layers) where it is there, else as LayerNorm leaves them.
#pragma once

#include "thex/circuit/program.h"
#include "thex/model/config.h"

namespace thex::encoder {

enum class Step {
  // of the whole model
  embeddings,
  cls_token,
  classifier,
  // of a layer
  query,
  key,
  value,
  weighted_value,  // values times the weights of their tokens, 1/n or 0
  scores,
  power,    // of scores
  softmax,  // the sums of cubes
  estimation_first,
  estimation_second,
  estimation_third,
  value_sum,
  attention_output,
  intermediate,
  square,  // of the feed-forward units
  output,
  refresh,      // of the values of the step before
  mean_square,  // of the sum after attention ..
  normalised,   // .. and that sum scaled by it
};

// "query", "estimation.0", "value" for both steps of values.
const char* name_of(Step step);

// The root mean squares of a step, of circuits for `tokens` a sentence; `layer` counts where the step is one of a
// layer. Matrices count as keeping magnitudes, over all slots of rows [y | 0]; values never count as larger than their
// layer's ranges say, so that predictions do not grow from layer to layer beyond what LayerNorm allows. Throws
// Error(model) for calibrated ranges that are no numbers above 0.
circuit::Magnitudes magnitudes_of(const model::ModelConfig& config, Step step, int layer, double tokens);

}  // namespace thex::encoder
