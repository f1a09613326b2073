// Integers modulo q_0 q_1, as which masked values travel, and their residues. Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thex/ckks/context.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/ring/kernels.h"
#include "thex/ring/modulus.h"

namespace thex::ckks {

class LowestPrimes {
 public:
  explicit LowestPrimes(const Context& context)
      : q0_(context.prime(LimbIndex(0))),
        q1_(context.prime(LimbIndex(1))),
        inverse_(q1_.inverse(q1_.reduce(q0_.value()))) {}

  ring::Uint128 product() const { return static_cast<ring::Uint128>(q0_.value()) * q1_.value(); }
  // The integer below q_0 q_1 with these two residues (Garner).
  ring::Uint128 integer(std::uint64_t x0, std::uint64_t x1) const {
    return static_cast<ring::Uint128>(q1_.mul(q1_.sub(x1, q1_.reduce(x0)), inverse_)) * q0_.value() + x0;
  }

 private:
  const ring::Modulus &q0_, &q1_;
  std::uint64_t inverse_;  // of q_0 modulo q_1
};

// From the NTT domain to coefficients, modulo q_0 and q_1.
inline void to_coefficients(const Context& context, ring::Poly& poly) {
  for (const LimbIndex l : kRefreshLevel.primes()) ring::kernels().ntt_inverse(poly.limb(l), context.ntt(l));
}

// Makes integer_at(i) the coefficients, modulo the primes of `level`, NTT domain. integer_at(i) may read coefficient i
// of what `poly` was before.
template <typename IntegerAt>
void set_coefficients(const Context& context, ring::Poly& poly, Level level, const IntegerAt& integer_at) {
  for (std::size_t i = 0; i < poly.n(); ++i) {
    const ring::Uint128 integer = integer_at(i);
    for (const LimbIndex l : level.primes()) poly.limb(l)[i] = context.prime(l).reduce128(integer);
  }
  for (const LimbIndex l : level.primes()) ring::kernels().ntt_forward(poly.limb(l), context.ntt(l));
}

}  // namespace thex::ckks
