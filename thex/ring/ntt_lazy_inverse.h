// Internal: tables of the lazy inverse NTT (simd/ntt_inverse_lazy_avx512ifma.cc), for primes q <= kLazyInverseLimit and
// N >= 128.
//
// The transform undoes 64 consecutive slots at once, then three or two stages at a time. Each such step is a cyclic
// transform of 64, 8 or 4 points, the same one for every block, followed by one product for every output: the node's
// root to the power -m for output m. Some outputs come out negated, which their factors make good; the last step's
// factors contain 1 / N.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thex/ring/memory_pool.h"
#include "thex/ring/modulus.h"
#include "thex/ring/ntt_lazy_steps.h"

namespace thex::ring {

class LazyInverseTable {
 public:
  // roots: psi^-brv(i), i < n, as NttTable::inverse_roots.
  LazyInverseTable(const Modulus& q, int log_n, const std::uint64_t* roots);
  LazyInverseTable() = default;

  // Vectors of eight words for the cyclic transform of 64 points, in the order of use: for distance 2 a factor and its
  // 52-bit quotient; then for distances 4, 8, 16 (2 of them) and 32 (4 of them) factor, quotient and the start of
  // the high word: minus the quotient in lanes that hold negative values, less kLeafLift at distance 32.
  const std::uint64_t* leaf_constants() const { return leaf_constants_.data(); }
  // Quotients of the 64 factors of each leaf.
  const std::uint64_t* leaf_twists() const { return leaf_twists_.data(); }
  // For each later step, from the one on the whole ring downwards, and each of its blocks: 2^stages pairs of a factor
  // and its quotient.
  const std::uint64_t* scales() const { return scales_.data(); }

 private:
  void fill_leaves(const Modulus& q, int log_n, const std::uint64_t* roots);
  void fill_scales(const Modulus& q, int log_n, const std::uint64_t* roots);

  Buffer leaf_constants_, leaf_twists_, scales_;
};

}  // namespace thex::ring
