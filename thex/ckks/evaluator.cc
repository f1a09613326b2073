#include "thex/ckks/evaluator.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/new_ciphertext.h"
#include "thex/ckks/detail/residues.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
using ring::kernels;

Ciphertext Evaluator::add(const Ciphertext& a, const Ciphertext& b) const {
  if (a.parts.size() < b.parts.size()) return add(b, a);
  check_shape("add", *context_, a);
  check_shape("add", *context_, b);
  check_same_level("add", a.level, b.level);
  check_same_scale("add", a.scale, b.scale);
  Ciphertext result = new_ciphertext(*context_, a.parts.size(), a.level, a.scale);
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    for (const LimbIndex i : a.level.primes()) {
      if (p < b.parts.size()) {
        kernels().add(result.parts[p].limb(i), a.parts[p].limb(i), b.parts[p].limb(i), context_->n(),
                      context_->prime(i));
      } else {
        std::copy_n(a.parts[p].limb(i), context_->n(), result.parts[p].limb(i));
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
  Ciphertext result = new_ciphertext(*context_, std::max(a.parts.size(), b.parts.size()), a.level, a.scale);
  for (std::size_t p = 0; p < result.parts.size(); ++p) {
    for (const LimbIndex i : a.level.primes()) {
      std::uint64_t* const out = result.parts[p].limb(i);
      if (p >= b.parts.size()) {
        std::copy_n(a.parts[p].limb(i), context_->n(), out);
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
  Ciphertext result = new_ciphertext(*context_, a.parts.size(), a.level, a.scale);
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    for (const LimbIndex i : a.level.primes()) {
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
  Ciphertext result = new_ciphertext(*context_, a.parts.size(), a.level, a.scale);
  for (const LimbIndex i : a.level.primes()) {
    if (run == 1) {
      kernels().add(result.parts[0].limb(i), a.parts[0].limb(i), b.poly.limb(i), n, context_->prime(i));
    } else {
      kernels().add_runs(result.parts[0].limb(i), a.parts[0].limb(i), b.poly.limb(i), run, n, context_->prime(i));
    }
    for (std::size_t p = 1; p < a.parts.size(); ++p) std::copy_n(a.parts[p].limb(i), n, result.parts[p].limb(i));
  }
  return result;
}

Ciphertext Evaluator::mul_plain(const Ciphertext& a, const Plaintext& b) const {
  check_shape("mul_plain", *context_, a);
  check_plain("mul_plain", *context_, b, a.level);
  check_product_scale("mul_plain", *context_, a.scale * b.scale, a.level);
  const std::size_t n = context_->n(), run = n / b.poly.n();
  Ciphertext result = new_ciphertext(*context_, a.parts.size(), a.level, a.scale * b.scale);
  for (const LimbIndex i : a.level.primes()) {
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
  Ciphertext result = new_ciphertext(*context_, a.parts.size(), a.level, a.scale * factor_scale);
  for (const LimbIndex i : a.level.primes()) {
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
  Ciphertext result = new_ciphertext(*context_, a.parts.size(), a.level, a.scale);
  for (const LimbIndex i : a.level.primes()) {
    const ring::Modulus& q = context_->prime(i);
    const std::uint64_t unit = context_->ntt(i).roots()[1];
    for (std::size_t p = 0; p < a.parts.size(); ++p) {
      kernels().mul_scalar(result.parts[p].limb(i), a.parts[p].limb(i), unit, half, q);
      kernels().mul_scalar(result.parts[p].limb(i) + half, a.parts[p].limb(i) + half, q.value() - unit, half, q);
    }
  }
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
