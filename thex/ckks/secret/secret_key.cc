#include <sodium.h>

#include <utility>

#include "thex/ckks/secret/draw_seed.h"
#include "thex/ckks/secret/secret.h"

namespace thex::ckks::secret {

SecretKey SecretKey::from_seed(ContextPtr context, const ring::Seed& seed) {
  SecretKey key;
  key.seed_ = seed;
  key.poly_ = ring::Poly(context->n(), context->prime_count());
  key.poly_.mark_secret();
  WipedSmall ternary(context->n());
  ring::Prng prng(seed);
  ring::sample_ternary(prng, ternary.data(), ternary.size());
  for (const LimbIndex i : LimbRange(0, context->prime_count())) ternary.write_ntt(*context, i, key.poly_.limb(i));
  key.context_ = std::move(context);
  return key;
}

SecretKey SecretKey::generate(ContextPtr context, ring::Prng& prng) {
  ring::Seed seed = draw_seed(prng);
  SecretKey key = from_seed(std::move(context), seed);
  sodium_memzero(seed.data(), seed.size());
  return key;
}

// poly_ wipes itself.
SecretKey::~SecretKey() { sodium_memzero(seed_.data(), seed_.size()); }

SecretKey::SecretKey(SecretKey&& other) noexcept
    : context_(std::move(other.context_)), poly_(std::exchange(other.poly_, ring::Poly())), seed_(other.seed_) {
  sodium_memzero(other.seed_.data(), other.seed_.size());
}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this == &other) return *this;
  context_ = std::move(other.context_);
  poly_ = std::exchange(other.poly_, ring::Poly());
  seed_ = other.seed_;
  sodium_memzero(other.seed_.data(), other.seed_.size());
  return *this;
}

}  // namespace thex::ckks::secret
