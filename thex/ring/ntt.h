// Tables of the negacyclic number-theoretic transform modulo X^N + 1 and q.
//
// The forward transform has the butterflies of Cooley and Tukey (1965), (x, y) -> (x + wy, x - wy); the inverse those
// of Gentleman and Sande (1966), (x, y) -> (x + y, (x - y) w). The powers of the 2N-th root are merged into their
// factors, which stand in bit-reversed order (Longa and Naehrig, CANS 2016). Factors come with Shoup's quotients, and
// the butterflies reduce lazily (Harvey, Journal of Symbolic Computation 2014).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "thex/ring/memory_pool.h"
#include "thex/ring/modulus.h"
#include "thex/ring/ntt_lazy_inverse.h"

namespace thex::ring {

class NttTable {
 public:
  // N = 2^log_n, 2^5..2^16; q = 1 mod 2N. The primitive 2N-th root is the smallest one, so tables are reproducible.
  // Throws Error(crypto) when q is not 1 mod 2 * 2^max_log_n or a size is out of range.
  // For q fixed, the root of a smaller ring is the matching power of the larger ring's root: psi_N' = psi_N^(N/N')
  // where both are built from the same `max_log_n`, so that compact (periodic) plaintexts can be transformed in the
  // small ring.
  NttTable(const Modulus& q, int log_n, int max_log_n);
  NttTable(const Modulus& q, int log_n) : NttTable(q, log_n, log_n) {}

  int log_n() const { return log_n_; }
  std::size_t n() const { return std::size_t{1} << log_n_; }
  const Modulus& modulus() const { return q_; }
  std::uint64_t psi() const { return psi_; }

  // Factors in bit-reversed order: root(i) = psi^brv(i); quotients as Modulus::shoup (64-bit) and the same >> 12
  // (52-bit).
  const std::uint64_t* roots() const { return roots_.data(); }
  const std::uint64_t* roots_shoup64() const { return roots_shoup64_.data(); }
  const std::uint64_t* roots_shoup52() const { return roots_shoup52_.data(); }
  // 2^64 - roots_shoup52()[i] for i < N / 8 (at least 4).
  const std::uint64_t* roots_minus_shoup52() const { return roots_minus_shoup52_.data(); }
  const std::uint64_t* inverse_roots() const { return inverse_roots_.data(); }
  const std::uint64_t* inverse_roots_shoup64() const { return inverse_roots_shoup64_.data(); }
  const std::uint64_t* inverse_roots_shoup52() const { return inverse_roots_shoup52_.data(); }
  // Empty where the prime is too large for it, N < 128 or the processor has no use for it.
  const LazyInverseTable& lazy_inverse() const { return lazy_inverse_; }
  std::uint64_t n_inverse() const { return n_inverse_; }
  std::uint64_t n_inverse_shoup64() const { return n_inverse_shoup64_; }
  // inverse_roots()[1] / N: the factor of the inverse transform's last stage, which applies 1/N as it goes.
  std::uint64_t last_inverse_root() const { return last_inverse_root_; }
  std::uint64_t last_inverse_root_shoup64() const { return last_inverse_root_shoup64_; }

 private:
  Modulus q_;
  int log_n_;
  std::uint64_t psi_ = 0, n_inverse_ = 0, n_inverse_shoup64_ = 0;
  std::uint64_t last_inverse_root_ = 0, last_inverse_root_shoup64_ = 0;
  Buffer roots_, roots_shoup64_, roots_shoup52_, roots_minus_shoup52_, inverse_roots_, inverse_roots_shoup64_,
      inverse_roots_shoup52_;
  LazyInverseTable lazy_inverse_;
};

// Permutation of the bit-reversed NTT domain for the automorphism X -> X^g (g odd, below 2N):
// index[i] such that (sigma_g a)^[i] = a^[index[i]].
std::vector<std::uint32_t> automorphism_permutation(int log_n, std::uint64_t g);

}  // namespace thex::ring
