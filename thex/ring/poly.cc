#include "thex/ring/poly.h"

#include <algorithm>

namespace thex::ring {

void Poly::set_zero() { std::fill_n(buffer_.data(), n_ * limbs_, std::uint64_t{0}); }

}  // namespace thex::ring
