// Homomorphic operations of CKKS (ePrint 2016/421, in residue form ePrint 2018/931) with hybrid key switching (ePrint
// 2019/688). Stateless besides the context: safe to share between threads. Inputs are never modified.
//
// Ciphertexts have two parts, or three after an unrelinearised product; where only two are taken it says so. Levels and
// scales are exact and explicit: operands of an addition must agree in level and, within 2^-30, in scale; nothing is
// adjusted silently. Every misuse is Error(crypto) with the values in its message: another shape or level, a product
// whose scale exceeds the modulus. A key that is missing, made for a lower level or for other parameters is
// Error(keys).
#pragma once

#include <span>
#include <vector>

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"

namespace thex::ckks {

// The digits of c_1, extended to all primes: the expensive half of a rotation, shared by many rotations of one
// ciphertext (hoisting: Halevi, Shoup, CRYPTO 2018, ePrint 2018/244).
struct Decomposition {
  Level level;
  std::vector<ring::Poly> digits;  // digit_count(level), level.limbs() + special_count() limbs each, NTT domain
};

class Evaluator {
 public:
  explicit Evaluator(ContextPtr context) : context_(std::move(context)) {}
  const Context& context() const { return *context_; }

  // Level and scale stay. Of two and three parts the sum has three. A plaintext may be compact (ciphertext.h).
  Ciphertext add(const Ciphertext& a, const Ciphertext& b) const;
  Ciphertext sub(const Ciphertext& a, const Ciphertext& b) const;
  Ciphertext negate(const Ciphertext& a) const;
  Ciphertext add_plain(const Ciphertext& a, const Plaintext& b) const;
  // Slot-wise products; the scale is the product of scales, the level stays (rescale afterwards).
  Ciphertext mul_plain(const Ciphertext& a, const Plaintext& b) const;
  // Every slot times round(factor * factor_scale); the scale becomes scale * factor_scale.
  Ciphertext mul_scalar(const Ciphertext& a, double factor, double factor_scale) const;
  // Unrelinearised product of two-part ciphertexts: three parts, the product of scales.
  Ciphertext mul(const Ciphertext& a, const Ciphertext& b) const;
  // sum_k a[k] * b[k] with plaintexts (compact ones stay compact) or ciphertexts (one degree-2 result, to be
  // relinearised once). All levels equal; all products of scales equal within 2^-30. At least one term; two-part
  // ciphertexts.
  Ciphertext inner_product_plain(std::span<const Ciphertext* const> a, std::span<const Plaintext* const> b) const;
  Ciphertext inner_product(std::span<const Ciphertext* const> a, std::span<const Ciphertext* const> b) const;
  // Two parts of the same value, level and scale; what has two parts already is returned as it is.
  Ciphertext relinearize(const Ciphertext& a, const EvaluationKeys& keys) const;
  // rescale(relinearize(a)) with one division by P q_level instead of two: faster, and with one rounding error less.
  // Needs level >= 1.
  Ciphertext relinearize_rescale(const Ciphertext& a, const EvaluationKeys& keys) const;
  // Divides by q_level, to the nearest integer: one level down, scale divided by that prime. Needs level >= 1.
  Ciphertext rescale(const Ciphertext& a) const;
  // Forgets limbs: same value and scale, lower level.
  Ciphertext drop_to(const Ciphertext& a, Level level) const;
  // Lower level at that level's canonical scale: drop, multiply by a constant near 1 and rescale. Needs level <
  // a.level, or a already at `level` with its canonical scale.
  Ciphertext align_to(const Ciphertext& a, Level level) const;

  // Every slot times the imaginary unit: exact, level and scale stay.
  Ciphertext multiply_i(const Ciphertext& a) const;
  // Slot i of the result is slot (i + steps) mod N/2 of the input; steps may be negative. Two parts; level and scale
  // stay. A rotation by a multiple of N/2 needs no key.
  Ciphertext rotate(const Ciphertext& a, int steps, const EvaluationKeys& keys) const;
  // Every slot becomes its complex conjugate. Two parts; level and scale stay.
  Ciphertext conjugate(const Ciphertext& a, const EvaluationKeys& keys) const;
  // Two parts. rotate_hoisted(a, decompose(a), ..) equals rotate(a, ..) in every residue.
  Decomposition decompose(const Ciphertext& a) const;
  Ciphertext rotate_hoisted(const Ciphertext& a, const Decomposition& digits, int steps,
                            const EvaluationKeys& keys) const;

  // Expands the seeded half: two parts, same level and scale.
  Ciphertext expand(const SeededCiphertext& a) const;

 private:
  ContextPtr context_;
};

}  // namespace thex::ckks
