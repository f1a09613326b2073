// The coefficients of polynomials at level 1, as integers: what a client sees of a refreshed value, and what the server
// adds to it (ckks/masked_refresh.h).
#pragma once

#include <cstdint>
#include <vector>

#include "thex/ckks/context.h"
#include "thex/ring/kernels.h"
#include "thex/ring/poly.h"

namespace thex::support {

__extension__ using Wide = unsigned __int128;
__extension__ using SignedWide = __int128;

inline Wide lowest_modulus(const ckks::Context& context) {
  return static_cast<Wide>(context.prime(ckks::LimbIndex(0)).value()) * context.prime(ckks::LimbIndex(1)).value();
}

// In [0, q_0 q_1). `poly`: modulo q_0, q_1 and perhaps others, NTT domain.
inline std::vector<Wide> coefficients(const ckks::Context& context, ring::Poly poly) {
  const ring::Modulus &q0 = context.prime(ckks::LimbIndex(0)), &q1 = context.prime(ckks::LimbIndex(1));
  for (const ckks::LimbIndex l : {ckks::LimbIndex(0), ckks::LimbIndex(1)})
    ring::kernels().ntt_inverse(poly.limb(l), context.ntt(l));
  const std::uint64_t inverse = q1.inverse(q1.reduce(q0.value()));
  std::vector<Wide> integers(poly.n());
  for (std::size_t i = 0; i < integers.size(); ++i) {
    const std::uint64_t x0 = poly.limb(0)[i], x1 = poly.limb(1)[i];
    integers[i] = static_cast<Wide>(q1.mul(q1.sub(x1, q1.reduce(x0)), inverse)) * q0.value() + x0;
  }
  return integers;
}

// Of an integer modulo q_0 q_1 the one nearest to zero.
inline SignedWide centred(Wide integer, Wide modulus) {
  return static_cast<SignedWide>(integer) - (integer > modulus / 2 ? static_cast<SignedWide>(modulus) : 0);
}

}  // namespace thex::support
