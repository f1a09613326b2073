// Changes of level: rescaling, and operations that forget limbs.
#include <algorithm>
#include <string>

#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ckks/detail/new_ciphertext.h"
#include "thex/ckks/evaluator.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {

using ring::kernels;

Ciphertext Evaluator::rescale(const Ciphertext& a) const {
  check_shape("rescale", *context_, a);
  if (a.level == 0) refuse("rescale", "the ciphertext is at level 0; no levels are left");
  const LimbIndex top = a.level.top();
  const std::uint64_t dropped = context_->prime(top).value();
  const std::size_t n = context_->n();
  Ciphertext result = new_ciphertext(*context_, a.parts.size(), a.level - 1, a.scale / static_cast<double>(dropped));
  // A result beyond this size has left the caches before anyone reads it.
  constexpr std::size_t kStreamWords = std::size_t{2} << 20;
  const bool stream = a.parts.size() * top * n > kStreamWords;
  ring::Poly last(n, a.parts.size());
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    std::copy_n(a.parts[p].limb(top), n, last.limb(p));
    kernels().ntt_inverse(last.limb(p), context_->ntt(top));
  }
  ring::Buffer scratch(n);
  for (const LimbIndex i : result.level.primes()) {
    for (std::size_t p = 0; p < a.parts.size(); ++p) {
      // Centred remainders make the quotient the nearest integer.
      kernels().divide_switched(result.parts[p].limb(i), a.parts[p].limb(i), last.limb(p), dropped,
                                context_->constants().q_inverse[top][i], context_->ntt(i), scratch.data(), stream);
    }
  }
  return result;
}

Ciphertext Evaluator::drop_to(const Ciphertext& a, Level level) const {
  check_shape("drop_to", *context_, a);
  check_lower("drop_to", a.level, level);
  Ciphertext result = new_ciphertext(*context_, a.parts.size(), level, a.scale);
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    std::copy_n(a.parts[p].limb(0), result.parts[p].limbs() * context_->n(), result.parts[p].limb(0));
  }
  return result;
}

Ciphertext Evaluator::align_to(const Ciphertext& a, Level level) const {
  check_shape("align_to", *context_, a);
  check_lower("align_to", a.level, level);
  const double target = context_->scale(level);
  if (level == a.level) {
    if (!same_scale(a.scale, target)) {
      refuse("align_to", "the ciphertext is at level " + to_string(level) + " with scale " + log_scale(a.scale) +
                             ", not the canonical " + log_scale(target) + "; a lower level is needed to change it");
    }
    Ciphertext result = a;
    result.scale = target;
    return result;
  }
  const double dropped = static_cast<double>(context_->prime((level + 1).top()).value());
  const double constant = target / a.scale * dropped;
  if (constant < 0x1p20) {
    refuse("align_to", "the scale " + log_scale(a.scale) + " is too large to reach " + log_scale(target) +
                           " at level " + to_string(level) + " by one rescaling; rescale first");
  }
  Ciphertext result = rescale(mul_scalar(drop_to(a, level + 1), 1.0, constant));
  result.scale = target;  // instead of the same number with the rounding errors of double precision
  return result;
}

}  // namespace thex::ckks
