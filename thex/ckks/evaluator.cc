#include "thex/ckks/evaluator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ckks/detail/residues.h"
#include "thex/ckks/detail/sum_of_products.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using ring::kernels;
using ring::Poly;

Ciphertext like(const Context& context, std::size_t parts, int level, double scale) {
  Ciphertext result;
  result.parts.reserve(parts);
  for (std::size_t p = 0; p < parts; ++p) {
    result.parts.emplace_back(context.n(), static_cast<std::size_t>(level) + 1);
  }
  result.level = level;
  result.scale = scale;
  return result;
}

void copy_limb(std::uint64_t* dst, const std::uint64_t* src, std::size_t n) {
  std::memcpy(dst, src, n * sizeof(std::uint64_t));
}

}  // namespace

Ciphertext Evaluator::add(const Ciphertext& a, const Ciphertext& b) const {
  if (a.parts.size() < b.parts.size()) return add(b, a);
  check_shape("add", *context_, a);
  check_shape("add", *context_, b);
  check_same_level("add", a.level, b.level);
  check_same_scale("add", a.scale, b.scale);
  Ciphertext result = like(*context_, a.parts.size(), a.level, a.scale);
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    for (std::size_t i = 0; i < a.parts[p].limbs(); ++i) {
      if (p < b.parts.size()) {
        kernels().add(result.parts[p].limb(i), a.parts[p].limb(i), b.parts[p].limb(i), context_->n(),
                      context_->prime(i));
      } else {
        copy_limb(result.parts[p].limb(i), a.parts[p].limb(i), context_->n());
      }
    }
  }
  return result;
}

Ciphertext Evaluator::sub(const Ciphertext& a, const Ciphertext& b) const {
  check_shape("sub", *context_, a);
  check_shape("sub", *context_, b);
  check_same_level("sub", a.level, b.level);
  check_same_scale("sub", a.scale, b.scale);
  Ciphertext result = like(*context_, std::max(a.parts.size(), b.parts.size()), a.level, a.scale);
  for (std::size_t p = 0; p < result.parts.size(); ++p) {
    for (std::size_t i = 0; i < result.parts[p].limbs(); ++i) {
      std::uint64_t* const out = result.parts[p].limb(i);
      if (p >= b.parts.size()) {
        copy_limb(out, a.parts[p].limb(i), context_->n());
      } else if (p >= a.parts.size()) {
        kernels().neg(out, b.parts[p].limb(i), context_->n(), context_->prime(i));
      } else {
        kernels().sub(out, a.parts[p].limb(i), b.parts[p].limb(i), context_->n(), context_->prime(i));
      }
    }
  }
  return result;
}

Ciphertext Evaluator::negate(const Ciphertext& a) const {
  check_shape("negate", *context_, a);
  Ciphertext result = like(*context_, a.parts.size(), a.level, a.scale);
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    for (std::size_t i = 0; i < a.parts[p].limbs(); ++i) {
      kernels().neg(result.parts[p].limb(i), a.parts[p].limb(i), context_->n(), context_->prime(i));
    }
  }
  return result;
}

Ciphertext Evaluator::add_plain(const Ciphertext& a, const Plaintext& b) const {
  check_shape("add_plain", *context_, a);
  check_plain("add_plain", *context_, b, a.level);
  check_same_scale("add_plain", a.scale, b.scale);
  const std::size_t n = context_->n(), run = n / b.poly.n();
  Ciphertext result = like(*context_, a.parts.size(), a.level, a.scale);
  for (std::size_t i = 0; i < a.parts[0].limbs(); ++i) {
    if (run == 1) {
      kernels().add(result.parts[0].limb(i), a.parts[0].limb(i), b.poly.limb(i), n, context_->prime(i));
    } else {
      kernels().add_runs(result.parts[0].limb(i), a.parts[0].limb(i), b.poly.limb(i), run, n, context_->prime(i));
    }
    for (std::size_t p = 1; p < a.parts.size(); ++p) copy_limb(result.parts[p].limb(i), a.parts[p].limb(i), n);
  }
  return result;
}

Ciphertext Evaluator::mul_plain(const Ciphertext& a, const Plaintext& b) const {
  check_shape("mul_plain", *context_, a);
  check_plain("mul_plain", *context_, b, a.level);
  check_product_scale("mul_plain", *context_, a.scale * b.scale, a.level);
  const std::size_t n = context_->n(), run = n / b.poly.n();
  Ciphertext result = like(*context_, a.parts.size(), a.level, a.scale * b.scale);
  for (std::size_t i = 0; i < a.parts[0].limbs(); ++i) {
    const std::uint64_t* const factor = b.poly.limb(i);
    for (std::size_t p = 0; p < a.parts.size(); ++p) {
      const std::uint64_t* const in = a.parts[p].limb(i);
      if (run == 1) {
        kernels().mul(result.parts[p].limb(i), in, factor, n, context_->prime(i));
      } else {
        kernels().inner_product_runs(result.parts[p].limb(i), &in, &factor, 1, run, n, context_->prime(i));
      }
    }
  }
  return result;
}

Ciphertext Evaluator::mul_scalar(const Ciphertext& a, double factor, double factor_scale) const {
  check_shape("mul_scalar", *context_, a);
  if (!std::isfinite(factor_scale) || factor_scale <= 0 || !std::isfinite(factor * factor_scale)) {
    refuse("mul_scalar", "factor " + std::to_string(factor) + " at scale " + std::to_string(factor_scale) +
                             "; expected a finite product and a positive scale");
  }
  check_product_scale("mul_scalar", *context_, a.scale * factor_scale, a.level);
  const double constant = std::nearbyint(factor * factor_scale);
  Ciphertext result = like(*context_, a.parts.size(), a.level, a.scale * factor_scale);
  for (std::size_t i = 0; i < a.parts[0].limbs(); ++i) {
    const std::uint64_t w = residue_of(constant, context_->prime(i));
    for (std::size_t p = 0; p < a.parts.size(); ++p) {
      kernels().mul_scalar(result.parts[p].limb(i), a.parts[p].limb(i), w, context_->n(), context_->prime(i));
    }
  }
  return result;
}

// X^(N/2) is i in every slot, and in the bit-reversed NTT domain psi^(N/2) in the first half and its negative in the
// second: psi^((2 brv(k) + 1) N/2), and brv(k) is even exactly in the first half.
Ciphertext Evaluator::multiply_i(const Ciphertext& a) const {
  check_shape("multiply_i", *context_, a);
  const std::size_t half = context_->n() / 2;
  Ciphertext result = like(*context_, a.parts.size(), a.level, a.scale);
  for (std::size_t i = 0; i < a.parts[0].limbs(); ++i) {
    const ring::Modulus& q = context_->prime(i);
    const std::uint64_t unit = context_->ntt(i).roots()[1];
    for (std::size_t p = 0; p < a.parts.size(); ++p) {
      kernels().mul_scalar(result.parts[p].limb(i), a.parts[p].limb(i), unit, half, q);
      kernels().mul_scalar(result.parts[p].limb(i) + half, a.parts[p].limb(i) + half, q.value() - unit, half, q);
    }
  }
  return result;
}

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
  const int level = a[0]->level;
  const double scale = a[0]->scale * b[0]->scale;
  for (std::size_t k = 0; k < a.size(); ++k) {
    check_shape("mul", *context_, *a[k], 2, 2);
    check_shape("mul", *context_, *b[k], 2, 2);
    check_same_level("mul", level, a[k]->level);
    check_same_level("mul", level, b[k]->level);
    check_same_scale("mul", scale, a[k]->scale * b[k]->scale);
  }
  check_product_scale("mul", *context_, scale, level);

  Ciphertext result = like(*context_, 3, level, scale);
  std::vector<const std::uint64_t*> x, y;
  x.reserve(2 * a.size());
  y.reserve(2 * a.size());
  for (std::size_t i = 0; i <= static_cast<std::size_t>(level); ++i) {
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
  const int level = a[0]->level;
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
  Ciphertext result = like(*context_, 2, level, scale);
  ring::Buffer partial(sizes.size() > 1 ? n : 0);
  std::vector<const std::uint64_t*> x, y;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(level); ++i) {
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

Ciphertext Evaluator::rescale(const Ciphertext& a) const {
  check_shape("rescale", *context_, a);
  if (a.level == 0) refuse("rescale", "the ciphertext is at level 0; no levels are left");
  const auto top = static_cast<std::size_t>(a.level);
  const std::uint64_t dropped = context_->prime(top).value();
  const std::size_t n = context_->n();
  Ciphertext result = like(*context_, a.parts.size(), a.level - 1, a.scale / static_cast<double>(dropped));
  // A result beyond this size has left the caches before anyone reads it.
  constexpr std::size_t kStreamWords = std::size_t{2} << 20;
  const bool stream = a.parts.size() * top * n > kStreamWords;
  ring::Poly last(n, a.parts.size());
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    copy_limb(last.limb(p), a.parts[p].limb(top), n);
    kernels().ntt_inverse(last.limb(p), context_->ntt(top));
  }
  ring::Buffer scratch(n);
  for (std::size_t i = 0; i < top; ++i) {
    for (std::size_t p = 0; p < a.parts.size(); ++p) {
      // Centred remainders make the quotient the nearest integer.
      kernels().divide_switched(result.parts[p].limb(i), a.parts[p].limb(i), last.limb(p), dropped,
                                context_->constants().q_inverse[top][i], context_->ntt(i), scratch.data(), stream);
    }
  }
  return result;
}

Ciphertext Evaluator::drop_to(const Ciphertext& a, int level) const {
  check_shape("drop_to", *context_, a);
  if (level < 0 || level > a.level) {
    refuse("drop_to", "level " + std::to_string(level) + " from a ciphertext at level " + std::to_string(a.level) +
                          "; levels only go down, to 0");
  }
  Ciphertext result = like(*context_, a.parts.size(), level, a.scale);
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    copy_limb(result.parts[p].limb(0), a.parts[p].limb(0), result.parts[p].limbs() * context_->n());
  }
  return result;
}

Ciphertext Evaluator::align_to(const Ciphertext& a, int level) const {
  check_shape("align_to", *context_, a);
  if (level < 0 || level > a.level) {
    refuse("align_to", "level " + std::to_string(level) + " from a ciphertext at level " + std::to_string(a.level) +
                           "; levels only go down, to 0");
  }
  const double target = context_->scale(level);
  if (level == a.level) {
    if (!same_scale(a.scale, target)) {
      refuse("align_to", "the ciphertext is at level " + std::to_string(level) + " with scale " + log_scale(a.scale) +
                             ", not the canonical " + log_scale(target) + "; a lower level is needed to change it");
    }
    Ciphertext result = a;
    result.scale = target;
    return result;
  }
  const double dropped = static_cast<double>(context_->prime(static_cast<std::size_t>(level) + 1).value());
  const double constant = target / a.scale * dropped;
  if (constant < 0x1p20) {
    refuse("align_to", "the scale " + log_scale(a.scale) + " is too large to reach " + log_scale(target) +
                           " at level " + std::to_string(level) + " by one rescaling; rescale first");
  }
  Ciphertext result = rescale(mul_scalar(drop_to(a, level + 1), 1.0, constant));
  result.scale = target;  // instead of the same number with the rounding errors of double precision
  return result;
}

Ciphertext Evaluator::expand(const SeededCiphertext& a) const {
  Ciphertext result;
  result.parts.push_back(a.c0);
  result.parts.push_back(expand_uniform(*context_, a.seed, a.level));
  result.level = a.level;
  result.scale = a.scale;
  check_shape("expand", *context_, result, 2, 2);
  return result;
}

}  // namespace thex::ckks
