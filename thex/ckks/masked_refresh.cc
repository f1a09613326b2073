#include "thex/ckks/masked_refresh.h"

#include <cmath>
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ckks/detail/lowest_primes.h"
#include "thex/ckks/rerandomise.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using ring::kernels;
using ring::Uint128;

void check_levels(const char* what, const Context& context, Level level, Level target) {
  if (level != kRefreshLevel || target < kRefreshLevel || target > context.max_level())
    throw Error(ErrorCode::crypto, std::string(what) + ": from level " + to_string(level) + " to level " +
                                       to_string(target) + "; a value is refreshed from level 1 to one of 1.." +
                                       to_string(context.max_level()));
}

constexpr Uint128 kStart = Uint128{1} << kLogMaskRoom;  // of the masks: no value below zero wraps

// How many masks there are: what q_0 q_1 leaves beside the room on either side.
Uint128 mask_count(const Context& context) {
  const double log_modulus = context.max_level() < kRefreshLevel ? 0 : context.constants().log_q[kRefreshLevel.top()];
  if (log_modulus < kLeastMaskBits + 1)
    throw Error(ErrorCode::crypto, "a refresh needs two lowest primes of together " +
                                       std::to_string(kLeastMaskBits + 1) + " bits to mask values in; these have " +
                                       std::to_string(log_modulus) + ": use a larger scale");
  return LowestPrimes(context).product() - 2 * kStart;
}

// Uniform below `count` < 2^120, up to a statistical distance of count / 2^192 and without a branch: 192 random bits
// times count, less the lowest 192 bits of the product.
Uint128 uniform_below(Uint128 count, ring::Prng& prng) {
  const auto low = static_cast<std::uint64_t>(count), high = static_cast<std::uint64_t>(count >> 64);
  Uint128 result = 0;
  for (int word = 0; word < 3; ++word) {
    const Uint128 random = prng.next();
    result = high * random + (result >> 64) + ((low * random + static_cast<std::uint64_t>(result)) >> 64);
  }
  return result;
}

}  // namespace

double refresh_mask_bits(const Context& context) { return std::log2(static_cast<double>(mask_count(context))); }

MaskedValue mask_for_refresh(const Context& context, const Ciphertext& value, Level target, const EvaluationKeys& keys,
                             ring::Prng& prng) {
  check_levels("mask_for_refresh", context, value.level, target);
  if (value.parts.size() != 2) throw Error(ErrorCode::crypto, "mask_for_refresh: relinearise the value first");
  const std::size_t n = context.n();
  const Uint128 count = mask_count(context);
  MaskedValue result{value, ring::Poly(n, target.limbs())};
  rerandomise(context, result.masked, keys, 1, prng);
  result.mask.mark_secret();
  set_coefficients(context, result.mask, target, [&](std::size_t) { return kStart + uniform_below(count, prng); });
  ring::Poly& c0 = result.masked.parts[0];
  for (const LimbIndex l : value.level.primes())
    kernels().add(c0.limb(l), c0.limb(l), result.mask.limb(l), n, context.prime(l));
  return result;
}

Ciphertext unmask(const Context& context, Ciphertext refreshed, const ring::Poly& mask) {
  if (refreshed.parts.size() != 2 || mask.limbs() != refreshed.level.limbs() ||
      refreshed.parts[0].limbs() != mask.limbs())
    throw Error(ErrorCode::protocol, "unmask: the refreshed value is at level " + to_string(refreshed.level) +
                                         ", its mask at level " + to_string(Level::of_limbs(mask.limbs())));
  ring::Poly& c0 = refreshed.parts[0];
  for (const LimbIndex l : refreshed.level.primes())
    kernels().sub(c0.limb(l), c0.limb(l), mask.limb(l), context.n(), context.prime(l));
  return refreshed;
}

Plaintext lift(const Context& context, const Plaintext& decrypted, Level level) {
  check_levels("lift", context, decrypted.level, level);
  const std::size_t n = context.n();
  if (decrypted.poly.n() != n || decrypted.poly.limbs() != kRefreshLevel.limbs())
    throw Error(ErrorCode::crypto, "lift: a compact plaintext is not a decryption");
  const LowestPrimes primes(context);
  ring::Poly source = decrypted.poly;
  source.mark_secret();
  to_coefficients(context, source);
  Plaintext result{ring::Poly(n, level.limbs()), level, decrypted.scale};
  result.poly.mark_secret();
  set_coefficients(context, result.poly, level,
                   [&](std::size_t i) { return primes.integer(source.limb(0)[i], source.limb(1)[i]); });
  return result;
}

}  // namespace thex::ckks
