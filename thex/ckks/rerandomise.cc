#include "thex/ckks/rerandomise.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "thex/ckks/detail/checks.h"
#include "thex/ckks/detail/wiped.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using ring::kernels;

// Of a key for `key_level`: its digits beyond those of `level`.
std::size_t zeros_of_key(const Context& context, Level key_level, Level level) {
  const std::size_t digits = key_level < level ? 0 : context.digit_count(key_level), first = context.digit_count(level);
  return digits > first ? digits - first : 0;
}

// An encryption of zero under sigma_g^-1(s), where g = 1 is the identity.
struct Zero {
  const ring::Poly *b, *a;
  std::uint64_t galois_element;
};

// The first `count` of them; the order of keys is that of EvaluationKeys.
std::vector<Zero> zeros_of(const Context& context, const EvaluationKeys& keys, Level level, std::size_t count) {
  std::vector<Zero> zeros;
  const auto add = [&](const SwitchingKey& key, std::uint64_t element) {
    const std::size_t digits = std::min(key.b.size(), key.a.size());
    for (std::size_t d = context.digit_count(level); key.level >= level && d < digits && zeros.size() < count; ++d)
      zeros.push_back({&key.b[d], &key.a[d], element});
  };
  if (keys.relinearization) add(*keys.relinearization, 1);
  for (const auto& [element, key] : keys.galois) add(key, element);
  return zeros;
}

}  // namespace

std::size_t zero_encryptions(const Context& context, const KeyRequirements& required, Level level) {
  std::size_t count = zeros_of_key(context, required.relinearization_level, level);
  for (const auto& [element, key_level] : galois_levels(context, required))
    count += zeros_of_key(context, key_level, level);
  return count;
}

std::size_t zero_encryptions(const Context& context, const EvaluationKeys& keys, Level level) {
  return zeros_of(context, keys, level, SIZE_MAX).size();
}

void rerandomise(const Context& context, Ciphertext& value, const EvaluationKeys& keys, std::size_t count,
                 ring::Prng& prng) {
  check_shape("rerandomise", context, value, 2, 2);
  const std::vector<Zero> zeros = zeros_of(context, keys, value.level, count);
  if (count == 0 || zeros.size() < count)
    throw Error(ErrorCode::keys, "rerandomise: " + std::to_string(count) + " encryptions of zero at level " +
                                     to_string(value.level) + " are asked for; the evaluation keys hold " +
                                     std::to_string(zeros.size()));
  const std::size_t n = context.n();
  WipedSmall small(n);
  WipedPoly row(n, 1), product(n, 1);
  ring::Poly permuted(n, 1);
  for (const Zero& zero : zeros) {
    const std::vector<std::uint32_t>* const permutation =
        zero.galois_element == 1 ? nullptr : &context.permutation(zero.galois_element);
    ring::sample_ternary(prng, small.data(), n);
    for (const LimbIndex i : value.level.primes()) {
      small.write_ntt(context, i, row.limb(0));
      for (std::size_t part = 0; part < 2; ++part) {
        std::uint64_t* const to = value.parts[part].limb(i);
        const std::uint64_t* of_zero = (part == 0 ? zero.b : zero.a)->limb(i);
        if (permutation != nullptr) {
          kernels().permute(permuted.limb(0), of_zero, permutation->data(), n);
          of_zero = permuted.limb(0);
        }
        kernels().mul(product.limb(0), of_zero, row.limb(0), n, context.prime(i));
        kernels().add(to, to, product.limb(0), n, context.prime(i));
      }
    }
  }
  // New errors on both halves.
  for (ring::Poly& part : value.parts) {
    ring::sample_gaussian(prng, small.data(), n);
    for (const LimbIndex i : value.level.primes()) {
      small.write_ntt(context, i, row.limb(0));
      kernels().add(part.limb(i), part.limb(i), row.limb(0), n, context.prime(i));
    }
  }
}

}  // namespace thex::ckks
