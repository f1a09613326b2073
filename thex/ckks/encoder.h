// Encoding of N/2 complex (or real) slots into a polynomial by the canonical embedding (CKKS, ePrint 2016/421):
// slot i is the value at zeta^(5^i), zeta = exp(i*pi/N). Values are in double precision; a coefficient is the nearest
// integer to its real number, which adds an error of variance 1/12 to each.
#pragma once

#include <complex>
#include <memory>
#include <span>
#include <vector>

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"

namespace thex::ckks {

class Embedding;

// Immutable and cheap to copy; safe to share between threads.
class Encoder {
 public:
  explicit Encoder(ContextPtr context);

  // values.size() = H, a power of two, 1..N/2: slot i gets values[i mod H]; the result is compact (see Plaintext).
  // `scale` > 0: slots hold value * scale. Residues modulo q_0 .. q_level, canonical, NTT domain. Throws Error(crypto)
  // when a coefficient exceeds half the modulus of `level`, a value is not finite, or an argument is out of range.
  Plaintext encode(std::span<const double> values, Level level, double scale) const;
  Plaintext encode(std::span<const std::complex<double>> values, Level level, double scale) const;
  // The same, with residues modulo the special primes too, as linear_transform.h wants it.
  Plaintext encode_extended(std::span<const double> values, Level level, double scale) const;
  Plaintext encode_extended(std::span<const std::complex<double>> values, Level level, double scale) const;
  // The same, with a full (not compact) polynomial, for encryption: it is marked as secret (ring/memory_pool.h).
  Plaintext encode_full(std::span<const double> values, Level level, double scale) const;
  Plaintext encode_full(std::span<const std::complex<double>> values, Level level, double scale) const;

  // All N/2 slots, divided by the plaintext's scale. decode_real: their real parts. Exact at any level: the
  // coefficients are reconstructed in (-Q/2, Q/2]. Temporaries are wiped; the values are the caller's to wipe. Throws
  // Error(crypto) for a plaintext that is not of this context.
  std::vector<std::complex<double>> decode(const Plaintext& plaintext) const;
  std::vector<double> decode_real(const Plaintext& plaintext) const;

 private:
  template <typename Value>
  Plaintext encode_values(std::span<const Value> values, Level level, double scale, std::size_t special = 0) const;
  Plaintext full(Plaintext compact) const;

  ContextPtr context_;
  std::shared_ptr<const Embedding> embedding_;
};

}  // namespace thex::ckks
