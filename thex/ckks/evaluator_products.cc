// Products of ciphertexts and sums of products.
#include <algorithm>
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/key_switching.h"
#include "thex/ckks/detail/new_ciphertext.h"
#include "thex/ckks/detail/sum_of_products.h"
#include "thex/ckks/evaluator.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {

using ring::kernels;

namespace {

const SwitchingKey& relinearization_key(const char* operation, const Context& context, const EvaluationKeys& keys,
                                        Level level) {
  if (!keys.relinearization) {
    throw Error(ErrorCode::keys, std::string(operation) + ": no relinearisation key is present");
  }
  check_key(operation, context, *keys.relinearization, level);
  return *keys.relinearization;
}

// c_0 and c_1 plus the switched c_2.
Ciphertext relinearized(const Context& context, const Ciphertext& a, const SwitchingKey& key, const Divisor& divisor,
                        double scale) {
  const FreshDigits digits(context, a.parts[2], a.level);
  return switch_key(context, {key, digits, {&a.parts[0], &a.parts[1]}, divisor}, scale);
}

}  // namespace

Ciphertext Evaluator::mul(const Ciphertext& a, const Ciphertext& b) const {
  const Ciphertext* const x = &a;
  const Ciphertext* const y = &b;
  return inner_product(std::span(&x, 1), std::span(&y, 1));
}

Ciphertext Evaluator::inner_product(std::span<const Ciphertext* const> a, std::span<const Ciphertext* const> b) const {
  if (a.empty() || a.size() != b.size()) {
    refuse("mul", std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                      " factors; expected equal numbers, at least one");
  }
  const Level level = a[0]->level;
  const double scale = a[0]->scale * b[0]->scale;
  for (std::size_t k = 0; k < a.size(); ++k) {
    check_shape("mul", *context_, *a[k], 2, 2);
    check_shape("mul", *context_, *b[k], 2, 2);
    check_same_level("mul", level, a[k]->level);
    check_same_level("mul", level, b[k]->level);
    check_same_scale("mul", scale, a[k]->scale * b[k]->scale);
  }
  check_product_scale("mul", *context_, scale, level);

  Ciphertext result = new_ciphertext(*context_, 3, level, scale);
  std::vector<const std::uint64_t*> x, y;
  x.reserve(2 * a.size());
  y.reserve(2 * a.size());
  for (const LimbIndex i : level.primes()) {
    for (std::size_t degree = 0; degree < 3; ++degree) {
      x.clear();
      y.clear();
      for (std::size_t k = 0; k < a.size(); ++k) {
        for (std::size_t p = 0; p < 2; ++p) {
          if (degree < p || degree - p > 1) continue;
          x.push_back(a[k]->parts[p].limb(i));
          y.push_back(b[k]->parts[degree - p].limb(i));
        }
      }
      sum_of_products(result.parts[degree].limb(i), x, y, 1, context_->n(), context_->prime(i));
    }
  }
  return result;
}

Ciphertext Evaluator::inner_product_plain(std::span<const Ciphertext* const> a,
                                          std::span<const Plaintext* const> b) const {
  static constexpr const char* kName = "inner_product_plain";
  if (a.empty() || a.size() != b.size()) {
    refuse(kName, std::to_string(a.size()) + " ciphertexts and " + std::to_string(b.size()) +
                      " plaintexts; expected equal numbers, at least one");
  }
  const Level level = a[0]->level;
  const double scale = a[0]->scale * b[0]->scale;
  std::vector<std::size_t> sizes;  // of the compact polynomials that occur
  for (std::size_t k = 0; k < a.size(); ++k) {
    check_shape(kName, *context_, *a[k], 2, 2);
    check_same_level(kName, level, a[k]->level);
    check_plain(kName, *context_, *b[k], level);
    check_same_scale(kName, scale, a[k]->scale * b[k]->scale);
    const std::size_t n = b[k]->poly.n();
    if (std::find(sizes.begin(), sizes.end(), n) == sizes.end()) sizes.push_back(n);
  }
  check_product_scale(kName, *context_, scale, level);

  const std::size_t n = context_->n();
  Ciphertext result = new_ciphertext(*context_, 2, level, scale);
  ring::Buffer partial(sizes.size() > 1 ? n : 0);
  std::vector<const std::uint64_t*> x, y;
  for (const LimbIndex i : level.primes()) {
    for (std::size_t p = 0; p < 2; ++p) {
      std::uint64_t* const out = result.parts[p].limb(i);
      for (std::size_t s = 0; s < sizes.size(); ++s) {
        x.clear();
        y.clear();
        for (std::size_t k = 0; k < a.size(); ++k) {
          if (b[k]->poly.n() != sizes[s]) continue;
          x.push_back(a[k]->parts[p].limb(i));
          y.push_back(b[k]->poly.limb(i));
        }
        sum_of_products(s == 0 ? out : partial.data(), x, y, n / sizes[s], n, context_->prime(i));
        if (s != 0) kernels().add(out, out, partial.data(), n, context_->prime(i));
      }
    }
  }
  return result;
}

Ciphertext Evaluator::relinearize(const Ciphertext& a, const EvaluationKeys& keys) const {
  check_shape("relinearize", *context_, a);
  if (a.parts.size() == 2) return a;
  const SwitchingKey& key = relinearization_key("relinearize", *context_, keys, a.level);
  return relinearized(*context_, a, key, special_divisor(*context_, a.level), a.scale);
}

Ciphertext Evaluator::relinearize_rescale(const Ciphertext& a, const EvaluationKeys& keys) const {
  check_shape("relinearize_rescale", *context_, a);
  if (a.level == 0) refuse("relinearize_rescale", "the ciphertext is at level 0; no levels are left");
  if (a.parts.size() == 2) return rescale(a);
  const SwitchingKey& key = relinearization_key("relinearize_rescale", *context_, keys, a.level);
  const auto dropped = static_cast<double>(context_->prime(a.level.top()).value());
  return relinearized(*context_, a, key, rescaling_divisor(*context_, a.level), a.scale / dropped);
}

}  // namespace thex::ckks
