// Randomness. Seeds come from the operating system (libsodium); everything longer is expanded from a seed by a
// specified generator, so that any client can reproduce the uniform half of a key or ciphertext:
//   stream(seed, label) = ChaCha20 (RFC 8439) with the 32-byte seed as key, the 96-bit nonce = label as 8 little-endian
//   bytes followed by 4 zero bytes, block counter from 0. Words are read as 8 little-endian bytes.
// Uniform residues modulo q: take words, keep their lowest bits(q) bits, reject values >= q.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "thex/ring/modulus.h"

namespace thex::ring {

using Seed = std::array<std::uint8_t, 32>;

// Fresh seed from the operating system's generator.
Seed random_seed();

class Prng {
 public:
  explicit Prng(const Seed& seed, std::uint64_t label = 0);
  Prng();   // cryptographically fresh
  ~Prng();  // wipes the state
  Prng(const Prng&) = delete;
  Prng& operator=(const Prng&) = delete;

  std::uint64_t next();
  void fill(std::span<std::uint64_t> words);

 private:
  void refill();
  Seed key_;
  std::uint64_t label_, block_ = 0;
  std::size_t position_ = 128;  // all words taken
  std::array<std::uint64_t, 128> buffer_{};
};

// n uniform residues in [0, q).
void sample_uniform(Prng& prng, std::uint64_t* dst, std::size_t n, const Modulus& q);
// n values in {-1, 0, 1}, uniform. No secret-dependent branch or index.
void sample_ternary(Prng& prng, std::int8_t* dst, std::size_t n);
// n values of the discrete Gaussian with sigma = 3.19, tail cut at 6 sigma (|x| <= 19), by a constant-time scan of a
// 63-bit cumulative table.
void sample_gaussian(Prng& prng, std::int8_t* dst, std::size_t n);
inline constexpr double kSigma = 3.19;

}  // namespace thex::ring
