// Choice of the moduli: which primes serve as q_0 .. q_L and as special primes.
#pragma once

#include <cstdint>
#include <vector>

#include "thex/ckks/context.h"

namespace thex::ckks {

struct PrimeChain {
  std::vector<std::uint64_t> q;  // q_0 .. q_L
  std::vector<std::uint64_t> p;  // special primes
  std::vector<double> scales;    // canonical scale of each level, see Context::scale
};

// Checks the ranges of `spec` and picks distinct primes. The canonical scale obeys scale(l-1) = scale(l)^2 / q_l, which
// doubles every relative error from level to level, so each q_l is chosen against the error accumulated above it: the
// prime nearest to scale(l)^2 / 2^t(l-1), where t(L) = log_scale and t(l-1) = 2 t(l) - q_bits[l] are the nominal
// log-scales. Special primes are the larger ones of their size, so that P exceeds a digit of equally many primes of the
// same size. Throws Error(crypto).
PrimeChain choose_primes(const ContextSpec& spec);

}  // namespace thex::ckks
