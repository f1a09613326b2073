// Division of polynomials in the NTT domain by P, by q_level or by their product (ModDown and rescaling: Cheon, Han,
// Kim, Kim, Song, SAC 2018). The remainder modulo the divisor is known from the primes that are in it; it is converted
// to the primes that stay and taken off, and what is left is multiplied by the divisor's inverse. Centred remainders
// make the quotient the nearest integer. Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/ckks/detail/base_conversion.h"
#include "thex/ckks/detail/context_constants.h"

namespace thex::ckks {

struct Divisor {
  const BaseConversion& conversion;            // from the primes of the divisor to the primes that stay
  const std::vector<std::uint64_t>& inverses;  // of the divisor, modulo the primes that stay: q_0, q_1, ..
  std::size_t limbs;                           // how many stay

  const std::vector<LimbIndex>& removed() const { return conversion.sources; }
};

// P, from a polynomial at that level.
Divisor special_divisor(const Context& context, Level level);
// P q_level, when a rescaling follows at once: one division and one rounding error instead of two.
Divisor rescaling_divisor(const Context& context, Level level);
// q_level alone.
Divisor last_prime_divisor(const Context& context, Level level);

// The remainders of several polynomials (the parts of a ciphertext) modulo the divisor.
class Remainders {
 public:
  Remainders(const Context& context, const Divisor& divisor, std::size_t parts);

  // Where part p modulo the k-th removed prime may be put (NTT domain) before take(p, k) is called.
  Row row(std::size_t p, std::size_t k) { return residues_[p].limb(k); }
  // Takes part p modulo the k-th removed prime: `row` in the NTT domain, row(p, k) or any other one. Once for every p
  // and k, from any thread.
  void take(std::size_t p, std::size_t k, ConstRow row);
  // When all are taken.
  void close();
  // dst[t] = the remainder of part p modulo prime first + t: coefficients.
  void convert(std::size_t p, std::size_t first, std::span<const Row> dst) const;

 private:
  const Context* context_;
  const Divisor* divisor_;
  std::vector<ring::Poly> residues_;
  std::vector<ConversionSource> sources_;
};

// dst[p] = *polynomials[p] / divisor, rounded. `polynomials` are at `level` and hold the special primes where the
// divisor removes them; `dst` has the limbs that stay.
void divide(const Context& context, Level level, const Divisor& divisor, std::span<const ring::Poly* const> polynomials,
            std::span<ring::Poly* const> dst, const ParallelFor& parallel);

}  // namespace thex::ckks
