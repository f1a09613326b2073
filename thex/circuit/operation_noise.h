// How much error each CKKS operation adds to a slot, on average over keys and messages (central limit heuristic in the
// canonical embedding; Costache, Curtis, Hales, Murphy, Ogilvie and Player, ePrint 2020/1481 and 2022/162).
//
// Every figure is the variance of the real part of a slot, in the value's own units. An error polynomial with
// independent coefficients of variance V has slots of complex variance N V, half of it in the real part; a value at
// scale S divides by S^2. The secret is uniform ternary: 2N/3 non-zero coefficients, so a rounding error of c_1 counts
// 2N/3 times.
#pragma once

#include <cstddef>
#include <vector>

#include "thex/ckks/context.h"

namespace thex::circuit {

class OperationNoise {
 public:
  explicit OperationNoise(const ckks::Context& context);
  // The same from the primes' nominal sizes, before any prime is looked for: they differ by less than 2^-10.
  explicit OperationNoise(const ckks::ContextSpec& spec);

  // Canonical scale of a level, and the prime that a rescaling to `level` divides by.
  double scale(ckks::Level level) const { return scales_[level.top()]; }
  double dropped_prime(ckks::Level level) const { return primes_[(level + 1).top()]; }
  ckks::Level max_level() const { return ckks::Level::of_limbs(scales_.size()); }

  // The encryption error alone.
  double encryption(double scale) const;
  double public_encryption(double scale) const;
  // The encoder's rounding of a real vector of that period. Of its 2 * period coefficients one is zero and the others
  // are negatives of each other in pairs, so their rounding errors are too, and all of the variance is in the real
  // part.
  double encoding(std::size_t period, double scale) const;
  // Rounding of both parts in a division by a prime or by P; `scale`: of the result.
  double rounding(double scale) const;
  // What the short form of a masked value leaves out (ckks/rounded_ciphertext.h).
  double rounded_sending(double scale) const;
  // A rotation, conjugation or relinearisation at `level`: digits times errors over P, and the rounding of ModDown.
  double key_switch(ckks::Level level, double scale) const;
  // Relinearisation from level + 1 and rescaling to `level`, by one division.
  double relinearize_rescale(ckks::Level level, double scale) const;
  // Lowering a value of that mean square from another level to the canonical scale of `level`: the rounding of the
  // constant near 1, relative, and of the rescaling.
  double lowering(double mean_square, double scale_before, ckks::Level level) const;

 private:
  double coefficients(double variance, double scale) const;  // of N coefficients
  double digits(ckks::Level level) const;                    // variance of a coefficient after the division by P

  double n_;
  std::size_t digit_limbs_;
  std::vector<double> scales_, primes_;
  double log_p_ = 0;
};

}  // namespace thex::circuit
