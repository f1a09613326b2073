// Where training starts when a nonlinearity becomes a polynomial: the coefficients that come nearest to it on the data,
// folded into the weights around it.
#pragma once

#include "thex/convert/data.h"
#include "thex/convert/encoder_module.h"

namespace thex::convert {

// Parabolas c0 + c1 u + c2 u^2 of each unit, [F, 3], nearest to `a` over the rows of `u`, [R, F] both; none is flat.
torch::Tensor parabolas_near(const torch::Tensor& u, const torch::Tensor& a);

// Folds sqrt|c2| and c1 / (2 c2) of each unit's parabola into a layer's first matrix and its bias, whose output's
// square is the parabola then, but for the sign of c2 and a constant.
void square_units(EncoderModule& module, int layer, const torch::Tensor& parabolas);

// The activation becomes Activation::square: of each feed-forward unit the parabola a (u+b)^2 + c that is nearest to it
// over `data` in least squares; sqrt|a| and b go into the first matrix and its bias, the sign of a and c into the
// second.
void start_square_activation(EncoderModule& module, const DataSet& data);

// The softmax becomes Softmax::power. A vector added to all keys changes no softmax, but a power: keys are centred at
// their mean over `data`, so that scores lie about zero, where the power is near the exponential. Then each head's
// scores are scaled by the factor, out of a few, and its values by the gain with which P V comes nearest to the exact
// softmax's. Throws Error(usage) unless it is exact.
void start_power_softmax(EncoderModule& module, const DataSet& data);

}  // namespace thex::convert
