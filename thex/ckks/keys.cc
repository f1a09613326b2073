#include "thex/ckks/keys.h"

#include <string>

#include "thex/base/error.h"

namespace thex::ckks {

LimbIndex limb_prime(const Context& context, Level level, std::size_t position) {
  return position < level.limbs() ? LimbIndex(position) : context.special_index(position - level.limbs());
}

std::size_t limb_position(const Context& context, Level level, LimbIndex index) {
  const LimbIndex first_special = context.special_index(0);
  return index < first_special ? index : level.limbs() + (index - first_special);
}

ring::Poly expand_uniform(const Context& context, const ring::Seed& seed, Level level) {
  ring::Poly poly(context.n(), level.limbs());
  for (const LimbIndex i : level.primes()) {
    ring::Prng prng(seed, i);
    ring::sample_uniform(prng, poly.limb(i), poly.n(), context.prime(i));
  }
  return poly;
}

std::vector<ring::Poly> expand_key_half(const Context& context, const ring::Seed& seed, Level level) {
  std::vector<ring::Poly> digits;
  for (std::size_t d = 0; d < context.digit_count(level); ++d) {
    ring::Poly& poly = digits.emplace_back(context.n(), level.limbs() + context.special_count());
    for (std::size_t position = 0; position < poly.limbs(); ++position) {
      const LimbIndex index = limb_prime(context, level, position);
      ring::Prng prng(seed, (static_cast<std::uint64_t>(d) << 32) + index);
      ring::sample_uniform(prng, poly.limb(position), poly.n(), context.prime(index));
    }
  }
  return digits;
}

const SwitchingKey& EvaluationKeys::rotation(const Context& context, int steps, Level level) const {
  const auto found = galois.find(context.galois_element(steps));
  if (found == galois.end()) {
    throw Error(ErrorCode::keys, "no key for a rotation by " + std::to_string(steps) + " slots; " +
                                     std::to_string(galois.size()) + " Galois keys are present");
  }
  if (found->second.level < level) {
    throw Error(ErrorCode::keys, "the key for a rotation by " + std::to_string(steps) + " slots is made for level " +
                                     to_string(found->second.level) + ", but the ciphertext is at level " +
                                     to_string(level));
  }
  return found->second;
}

std::map<std::uint64_t, Level> galois_levels(const Context& context, const KeyRequirements& required) {
  std::map<std::uint64_t, Level> levels;
  const auto add = [&](std::uint64_t element, Level level) {
    context.check_level("key requirements", level);
    const auto [at, inserted] = levels.try_emplace(element, level);
    if (!inserted && at->second < level) at->second = level;
  };
  for (const auto& [steps, level] : required.rotations) {
    const std::uint64_t element = context.galois_element(steps);
    if (element != 1) add(element, level);
  }
  if (required.conjugation_level >= 0) add(context.conjugation_element(), required.conjugation_level);
  return levels;
}

std::size_t EvaluationKeys::bytes() const {
  std::size_t words = 0;
  const auto add = [&](const SwitchingKey& key) {
    for (const auto* half : {&key.b, &key.a}) {
      for (const ring::Poly& poly : *half) words += poly.n() * poly.limbs();
    }
  };
  if (relinearization) add(*relinearization);
  for (const auto& entry : galois) add(entry.second);
  return words * sizeof(std::uint64_t);
}

}  // namespace thex::ckks
