// The start of a deep polynomial model in closed form: layer by layer on the student's own states, so that no layer is
// fitted to states that it will never see.
//
// Each sublayer's output matrix is the ridge regression onto the plain model's state after its norm: the student needs
// none of the massive activations that plain models have before it. Scores become parabolas by a scale and shifts for
// each head (Gauss-Newton on the softmax), activations by least squares, the norm after attention one by mean squares
// to first order, the one after the FFN affine (model::Norm::mean_square).
#pragma once

#include <functional>
#include <string>

#include "thex/convert/data.h"
#include "thex/convert/encoder_module.h"

namespace thex::convert {

// How many tokens are worth looking at: twice as many make the states of texts not seen a little better and take twice
// the time and memory.
std::size_t deep_start_tokens(const model::ModelConfig& config);

struct DeepStartOptions {
  std::size_t tokens = 26000;  // of `data` that are looked at
  double ridge = 1e-3;         // of the regressions, relative to the mean square of the inputs
  // The norm's factor is 1 at the mean of the mean squares and falls by at most so much of it up to twice the mean.
  double steepest = 0.3;
  std::uint64_t seed = 1;
};

// `module`: exact norms and softmax, no pooler. Says on the way how far each layer's states are from the plain
// model's. Throws Error(usage) for another module, Error(input) without data.
void start_deep_polynomial(EncoderModule& module, const DataSet& data, const DeepStartOptions& options,
                           const std::function<void(const std::string&)>& log);

}  // namespace thex::convert
