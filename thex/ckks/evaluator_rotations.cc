// Rotations and conjugation: automorphisms of the ring, followed by a key switch back to the client's secret. The key
// is applied first (keys.h), so that only the result is permuted and not every digit.
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/key_switching.h"
#include "thex/ckks/evaluator.h"

namespace thex::ckks {
namespace {

// sigma_g of c_0 + the switched c_1, whose digits are given.
Ciphertext apply_automorphism(const Context& context, const Ciphertext& a, const Digits& digits, std::uint64_t g,
                              const SwitchingKey& key) {
  const Automorphism automorphism(context.permutation(g));
  return switch_key(context, {key, digits, {&a.parts[0], nullptr}, special_divisor(context, a.level), &automorphism},
                    a.scale);
}

}  // namespace

Ciphertext Evaluator::rotate(const Ciphertext& a, int steps, const EvaluationKeys& keys) const {
  check_shape("rotate", *context_, a, 2, 2);
  const std::uint64_t g = context_->galois_element(steps);
  if (g == 1) return a;
  const SwitchingKey& key = keys.rotation(*context_, steps, a.level);
  check_key("rotate", *context_, key, a.level);
  return apply_automorphism(*context_, a, FreshDigits(*context_, a.parts[1], a.level), g, key);
}

Ciphertext Evaluator::conjugate(const Ciphertext& a, const EvaluationKeys& keys) const {
  check_shape("conjugate", *context_, a, 2, 2);
  const std::uint64_t g = context_->conjugation_element();
  const auto found = keys.galois.find(g);
  if (found == keys.galois.end()) throw Error(ErrorCode::keys, "conjugate: no conjugation key is present");
  check_key("conjugate", *context_, found->second, a.level);
  return apply_automorphism(*context_, a, FreshDigits(*context_, a.parts[1], a.level), g, found->second);
}

Decomposition Evaluator::decompose(const Ciphertext& a) const {
  check_shape("decompose", *context_, a, 2, 2);
  return FreshDigits(*context_, a.parts[1], a.level).decompose(serial_for);
}

Ciphertext Evaluator::rotate_hoisted(const Ciphertext& a, const Decomposition& digits, int steps,
                                     const EvaluationKeys& keys) const {
  check_shape("rotate_hoisted", *context_, a, 2, 2);
  const std::size_t limbs = a.level.limbs() + context_->special_count();
  bool good = digits.level == a.level && digits.digits.size() == context_->digit_count(a.level);
  for (const ring::Poly& digit : digits.digits) good = good && digit.n() == context_->n() && digit.limbs() == limbs;
  if (!good) {
    refuse("rotate_hoisted", "a decomposition of " + std::to_string(digits.digits.size()) + " digits at level " +
                                 to_string(digits.level) + " for a ciphertext at level " + to_string(a.level));
  }
  const std::uint64_t g = context_->galois_element(steps);
  if (g == 1) return a;
  const SwitchingKey& key = keys.rotation(*context_, steps, a.level);
  check_key("rotate_hoisted", *context_, key, a.level);
  return apply_automorphism(*context_, a, StoredDigits(*context_, digits), g, key);
}

}  // namespace thex::ckks
