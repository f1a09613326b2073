// Integers modulo q_0 q_1, as which masked values travel, and their residues. Internal to ckks.
#pragma once

#include <cstdint>

#include "thex/ckks/context.h"

namespace thex::ckks {

__extension__ using Wide = unsigned __int128;

class LowestPrimes {
 public:
  explicit LowestPrimes(const Context& context)
      : q0_(context.prime(LimbIndex(0))),
        q1_(context.prime(LimbIndex(1))),
        inverse_(q1_.inverse(q1_.reduce(q0_.value()))) {}

  Wide product() const { return static_cast<Wide>(q0_.value()) * q1_.value(); }
  // The integer below q_0 q_1 with these two residues (Garner).
  Wide integer(std::uint64_t x0, std::uint64_t x1) const {
    return static_cast<Wide>(q1_.mul(q1_.sub(x1, q1_.reduce(x0)), inverse_)) * q0_.value() + x0;
  }

 private:
  const ring::Modulus &q0_, &q1_;
  std::uint64_t inverse_;  // of q_0 modulo q_1
};

}  // namespace thex::ckks
