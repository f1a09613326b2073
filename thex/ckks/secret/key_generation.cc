#include <string>

#include "thex/base/error.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ckks/secret/draw_seed.h"
#include "thex/ckks/secret/secret.h"

namespace thex::ckks::secret {
namespace {

using ring::kernels;

// b = -a t + e modulo prime `index`; `product` is scratch.
void mask_error(const Context& context, LimbIndex index, const WipedSmall& error, const std::uint64_t* a,
                const std::uint64_t* t, std::uint64_t* product, std::uint64_t* b) {
  error.write_ntt(context, index, b);
  kernels().mul(product, a, t, context.n(), context.prime(index));
  kernels().sub(b, b, product, context.n(), context.prime(index));
}

// Switches from `source(index)` to `target(index)`: rows of NTT values modulo prime `index`, valid until the next call.
template <typename Source, typename Target>
SwitchingKey make_switching_key(const Context& context, Level level, ring::Prng& prng, Source&& source,
                                Target&& target) {
  const std::size_t n = context.n(), alpha = context.digit_limbs();
  SwitchingKey key;
  key.level = level;
  key.seed = draw_seed(prng);
  key.a = expand_key_half(context, key.seed, level);
  WipedPoly product(n, 1);
  WipedSmall error(n);
  for (std::size_t d = 0; d < key.a.size(); ++d) {
    ring::sample_gaussian(prng, error.data(), n);
    ring::Poly& b = key.b.emplace_back(n, key.a[d].limbs());
    for (std::size_t position = 0; position < b.limbs(); ++position) {
      const LimbIndex index = limb_prime(context, level, position);
      const ring::Modulus& q = context.prime(index);
      mask_error(context, index, error, key.a[d].limb(position), target(index), product.limb(0), b.limb(position));
      if (position < level.limbs() && index / alpha == d) {
        kernels().mul_scalar(product.limb(0), source(index), context.constants().p[index], n, q);
        kernels().add(b.limb(position), b.limb(position), product.limb(0), n, q);
      }
    }
  }
  return key;
}

// The inverse of an odd g modulo 2N (Newton's iteration, five correct bits to start with).
std::uint64_t inverse_element(const Context& context, std::uint64_t g) {
  std::uint64_t inverse = (3 * g) ^ 2;
  for (int i = 0; i < 4; ++i) inverse *= 2 - g * inverse;
  return inverse & (2 * context.n() - 1);
}

}  // namespace

PublicKey make_public_key(const SecretKey& key, ring::Prng& prng) {
  const Context& context = key.context();
  PublicKey result;
  result.seed = draw_seed(prng);
  result.a = expand_uniform(context, result.seed, context.max_level());
  result.b = ring::Poly(context.n(), result.a.limbs());
  WipedPoly product(context.n(), 1);
  WipedSmall error(context.n());
  ring::sample_gaussian(prng, error.data(), error.size());
  for (const LimbIndex i : context.max_level().primes()) {
    mask_error(context, i, error, result.a.limb(i), key.poly().limb(i), product.limb(0), result.b.limb(i));
  }
  return result;
}

SwitchingKey make_relinearization_key(const SecretKey& key, Level level, ring::Prng& prng) {
  const Context& context = key.context();
  context.check_level("key generation", level);
  WipedPoly square(context.n(), 1);
  return make_switching_key(
      context, level, prng,
      [&](LimbIndex index) {
        kernels().mul(square.limb(0), key.poly().limb(index), key.poly().limb(index), context.n(),
                      context.prime(index));
        return square.limb(0);
      },
      [&](LimbIndex index) { return key.poly().limb(index); });
}

SwitchingKey make_galois_key(const SecretKey& key, std::uint64_t galois_element, Level level, ring::Prng& prng) {
  const Context& context = key.context();
  context.check_level("key generation", level);
  if (galois_element % 2 == 0 || galois_element >= 2 * context.n()) {
    throw Error(ErrorCode::crypto, "Galois element " + std::to_string(galois_element) +
                                       " is not an odd number below 2N = " + std::to_string(2 * context.n()));
  }
  const std::vector<std::uint32_t> permutation =
      ring::automorphism_permutation(context.log_n(), inverse_element(context, galois_element));
  WipedPoly permuted(context.n(), 1);
  return make_switching_key(
      context, level, prng, [&](LimbIndex index) { return key.poly().limb(index); },
      [&](LimbIndex index) {
        kernels().permute(permuted.limb(0), key.poly().limb(index), permutation.data(), context.n());
        return permuted.limb(0);
      });
}

EvaluationKeys make_evaluation_keys(const SecretKey& key, const KeyRequirements& required, ring::Prng& prng) {
  EvaluationKeys keys;
  if (required.relinearization_level >= 0) {
    keys.relinearization = make_relinearization_key(key, required.relinearization_level, prng);
  }
  for (const auto& [element, level] : galois_levels(key.context(), required)) {
    keys.galois.emplace(element, make_galois_key(key, element, level, prng));
  }
  return keys;
}

}  // namespace thex::ckks::secret
