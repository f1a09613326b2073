// RNS-CKKS parameters and everything precomputed from them. Immutable once built; safe to share between threads.
//
// Residues live modulo the chain q_0 .. q_L (q_0 largest: it carries the decrypted value) and the special primes p_0 ..
// p_{k-1} of hybrid key switching. Primes are numbered 0..L (chain) and L+1..L+k (special). A ciphertext at level l has
// the l+1 limbs q_0 .. q_l; rescaling drops q_l. Gadget decomposition: digit d holds the chain primes [d*alpha,
// (d+1)*alpha).
//
// The chain is that of RNS-CKKS (Cheon, Han, Kim, Kim, Song, SAC 2018, ePrint 2018/931), key switching with special
// primes and digits of alpha primes that of Han and Ki (CT-RSA 2020, ePrint 2019/688).
//
// A context above the 128-bit table cannot be built: log2(QP) for a uniform ternary secret and sigma = 3.19, classical
// attacks, Security Guidelines for Implementing Homomorphic Encryption (ePrint 2024/463).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "thex/ckks/level.h"
#include "thex/ring/modulus.h"
#include "thex/ring/ntt.h"

namespace thex::ckks {

// Digits of at most `digit_limbs` primes in so many limbs.
constexpr std::size_t digits_of(std::size_t limbs, std::size_t digit_limbs) {
  return (limbs + digit_limbs - 1) / digit_limbs;
}

struct ContextSpec {
  int log_n = 14;               // ring dimension N = 2^log_n, 12..16
  std::vector<int> q_bits;      // sizes of q_0 .. q_L, at most ring::kMaxPrimeBits
  std::vector<int> p_bits;      // sizes of the special primes, at least one, at most that
  std::size_t digit_limbs = 1;  // alpha: chain primes in one digit; each digit's product must stay below P
  int log_scale = 36;           // scale of level L is 2^log_scale exactly
  // q_1 is larger than the scale, so that q_0 q_1 has room for masks (masked_refresh.h). Products at level 1 are then
  // by plaintexts only, whose scale is q_1's: the scale of level 0 is that of level 1.
  bool wide_q1 = false;

  friend bool operator==(const ContextSpec&, const ContextSpec&) = default;
};

// Largest log2(QP) that is 128-bit secure for N = 2^log_n (0 when the table has no such N).
int max_log_qp_128(int log_n);

class Context {
 public:
  // Throws Error(crypto) naming the values when the table is exceeded or a field is out of range. The primes follow
  // from the specification alone, so that both sides find the same ones. A prime "of b bits" lies near 2^b on either
  // side, and the actual primes are compared with the table: sizes that add up to the limit exactly may exceed it by a
  // thousandth of a bit and be refused.
  static std::shared_ptr<const Context> create(const ContextSpec& spec);

  const ContextSpec& spec() const { return spec_; }
  int log_n() const { return spec_.log_n; }
  std::size_t n() const { return std::size_t{1} << spec_.log_n; }
  std::size_t slots() const { return n() / 2; }
  Level max_level() const { return Level::of_limbs(spec_.q_bits.size()); }
  // Throws Error(crypto) that names the operation unless the level is one of this context.
  void check_level(const char* operation, Level level) const;
  std::size_t special_count() const { return spec_.p_bits.size(); }  // k
  std::size_t prime_count() const { return spec_.q_bits.size() + spec_.p_bits.size(); }
  std::size_t digit_limbs() const { return spec_.digit_limbs; }
  // Digits of a ciphertext at `level`.
  std::size_t digit_count(Level level) const { return digits_of(level.limbs(), digit_limbs()); }

  // The number of p_j.
  LimbIndex special_index(std::size_t j) const { return LimbIndex(max_level().limbs() + j); }
  const ring::Modulus& prime(LimbIndex index) const { return primes_[index]; }
  const ring::Modulus& special(std::size_t j) const { return prime(special_index(j)); }  // p_j
  // Made on first use and kept (thread-safe): planning compares contexts in which nothing is computed.
  const ring::NttTable& ntt(LimbIndex index) const {
    const ring::NttTable* const table = tables_[index].load(std::memory_order_acquire);
    return table != nullptr ? *table : make_ntt(index);
  }
  // NTT of the subring of dimension 2^log_n, 5 .. log_n(), used by periodic plaintexts; its values are runs of the full
  // transform. Made on first use and kept (thread-safe).
  const ring::NttTable& small_ntt(LimbIndex index, int log_n) const;

  // The canonical scale of each level: scale(L) = 2^log_scale, scale(l-1) = scale(l)^2 / q_l; with wide_q1 scale(0) =
  // scale(1). A product of two
  // ciphertexts (or of one and a plaintext) at their level's canonical scale is canonical again after rescaling: no
  // drift, no guessing.
  double scale(Level level) const { return scales_[level.top()]; }
  double log_qp() const { return log_qp_; }  // log2(QP), from the actual primes
  int security_bits() const { return 128; }  // the level of the table that create() enforced
  // BLAKE2b-128 of the specification and all primes: ciphertexts and keys of another context are told by it.
  const std::array<std::uint8_t, 16>& fingerprint() const { return fingerprint_; }

  // Galois element, an odd number below 2N, of a rotation by `steps` slots and of conjugation: 5^steps and 2N - 1. Any
  // number of steps counts modulo N/2; positive ones go towards index 0, slot i receives slot i + steps. Steps
  // that change nothing have the element 1.
  std::uint64_t galois_element(int steps) const;
  std::uint64_t conjugation_element() const { return 2 * n() - 1; }
  // NTT-domain permutation of a Galois element, N places: value i of the result is value permutation[i] of the input.
  // Computed on first use and kept (thread-safe). Throws Error(crypto) for an even number or one of 2N and more.
  const std::vector<std::uint32_t>& permutation(std::uint64_t galois_element) const;

  ~Context();

  // Constants of base conversion, rescaling and ModDown (detail/context_constants.h); for the evaluator.
  struct Constants;
  const Constants& constants() const { return *constants_; }

 private:
  Context() = default;
  const ring::NttTable& make_ntt(LimbIndex index) const;

  ContextSpec spec_;
  std::vector<ring::Modulus> primes_;
  mutable std::vector<std::atomic<const ring::NttTable*>> tables_;  // owned by the constants
  std::vector<double> scales_;
  double log_qp_ = 0;
  std::array<std::uint8_t, 16> fingerprint_{};
  std::unique_ptr<Constants> constants_;
};

using ContextPtr = std::shared_ptr<const Context>;

}  // namespace thex::ckks
