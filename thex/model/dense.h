// The one product that dominates the clear forward pass. Internal to this folder.
#pragma once

#include <span>
#include <vector>

namespace thex::model {

// y = x * W^T + b in double precision: x is rows x in, `weight` out x in (float, as stored), `bias` out; the result is
// rows x out, row-major.
std::vector<double> dense(std::span<const double> x, std::span<const float> weight, std::span<const float> bias);

}  // namespace thex::model
