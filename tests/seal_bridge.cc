#include "seal_bridge.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "thex/ring/kernels.h"

namespace thex::testing::seal {
namespace {

using ckks::Context;

void expect(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error("SEAL object: " + what);
}

std::size_t chain_limbs(const Context& context) { return context.max_level().limbs(); }

void check_limb(const std::uint64_t* values, std::size_t n, std::uint64_t prime) {
  expect(*std::max_element(values, values + n) < prime, "a residue is not below " + std::to_string(prime));
}

// The level whose identifier an object carries.
ckks::Level level_of(const Context& context, const ParmsId& id) {
  const Parameters parameters = to_seal(context);
  for (ckks::Level level = 0; level <= context.max_level(); ++level) {
    if (parms_id(parameters, level.limbs()) == id) return level;
  }
  throw std::runtime_error("SEAL object: of other parameters");
}

// 5^k for all k, and its inverse: logarithm[(g - 1) / 4] = k.
struct Powers {
  std::vector<std::uint64_t> power;
  std::vector<std::size_t> logarithm;

  explicit Powers(const Context& context) : power(context.slots()), logarithm(context.slots()) {
    std::uint64_t g = 1;
    for (std::size_t k = 0; k < power.size(); ++k, g = g * 5 & (2 * context.n() - 1)) {
      power[k] = g;
      logarithm[(g - 1) / 4] = k;
    }
  }
};

// The slot at zeta^e of values at zeta^(5^i): itself or the conjugate of the slot at zeta^-e.
struct Place {
  std::size_t index;
  bool conjugated;

  Place(const Context& context, const Powers& powers, std::uint64_t e) : conjugated(e % 4 == 3) {
    index = powers.logarithm[((conjugated ? 2 * context.n() - e : e) - 1) / 4];
  }
  std::complex<double> of(const std::complex<double>& value) const { return conjugated ? std::conj(value) : value; }
};

std::vector<Place> seal_places(const Context& context) {
  const Powers powers(context);
  std::vector<Place> places;
  std::uint64_t e = 1;
  for (std::size_t i = 0; i < context.slots(); ++i, e = e * 3 & (2 * context.n() - 1)) {
    places.emplace_back(context, powers, e);
  }
  return places;
}

std::uint64_t inverse_element(const Context& context, std::uint64_t g) {
  const std::uint64_t mask = 2 * context.n() - 1;
  std::uint64_t result = 1;
  while ((result * g & mask) != 1) result = result * g & mask;  // g generates a group of at most N/2 elements
  return result;
}

// sigma_g of both halves of a key.
ckks::SwitchingKey permuted(const Context& context, const ckks::SwitchingKey& key, std::uint64_t g) {
  ckks::SwitchingKey result;
  result.level = key.level;
  const auto& permutation = context.permutation(g);
  for (const auto& [from, to] : {std::pair(&key.b, &result.b), std::pair(&key.a, &result.a)}) {
    for (const ring::Poly& poly : *from) {
      ring::Poly& moved = to->emplace_back(poly.n(), poly.limbs());
      for (std::size_t i = 0; i < poly.limbs(); ++i) {
        ring::kernels().permute(moved.limb(i), poly.limb(i), permutation.data(), poly.n());
      }
    }
  }
  return result;
}

std::vector<Cipher> key_to_seal(const Context& context, const ckks::SwitchingKey& key) {
  expect(key.level == context.max_level(), "a key below the top level");
  const Parameters parameters = to_seal(context);
  std::vector<Cipher> result;
  for (std::size_t d = 0; d < key.b.size(); ++d) {
    Cipher digit{parms_id(parameters, context.prime_count()), 2, context.n(), context.prime_count(), 1, {}};
    for (const ring::Poly* half : {&key.b[d], &key.a[d]}) {
      digit.residues.insert(digit.residues.end(), half->limb(0), half->limb(0) + half->limbs() * half->n());
    }
    result.push_back(std::move(digit));
  }
  return result;
}

ckks::SwitchingKey key_from_seal(const Context& context, const std::vector<Cipher>& digits) {
  const ParmsId id = parms_id(to_seal(context), context.prime_count());
  expect(digits.size() == chain_limbs(context), "a key of " + std::to_string(digits.size()) + " digits");
  ckks::SwitchingKey result;
  result.level = context.max_level();
  for (const Cipher& digit : digits) {
    expect(
        digit.parms_id == id && digit.parts == 2 && digit.degree == context.n() && digit.limbs == context.prime_count(),
        "a key of other parameters");
    for (std::size_t part = 0; part < 2; ++part) {
      ring::Poly& poly = (part == 0 ? result.b : result.a).emplace_back(context.n(), context.prime_count());
      for (const ckks::LimbIndex i : ckks::LimbRange(0, poly.limbs())) {
        check_limb(digit.limb(part, i), context.n(), context.prime(i).value());
        std::copy_n(digit.limb(part, i), context.n(), poly.limb(i));
      }
    }
  }
  return result;
}

}  // namespace

Parameters to_seal(const Context& context) {
  expect(context.special_count() == 1 && context.digit_limbs() == 1, "digits of one prime and one special prime only");
  Parameters result{context.n(), {}};
  for (const ckks::LimbIndex i : ckks::LimbRange(0, context.prime_count()))
    result.primes.push_back(context.prime(i).value());
  return result;
}

Plain to_seal(const ckks::secret::SecretKey& key) {
  const ring::Poly& poly = key.poly();
  return {parms_id(to_seal(key.context()), poly.limbs()), 1, {poly.limb(0), poly.limb(0) + poly.limbs() * poly.n()}};
}

Plain to_seal(const Context& context, const ckks::Plaintext& plaintext) {
  const ring::Poly& poly = plaintext.poly;
  expect(poly.n() == context.n(), "a compact plaintext");
  return {parms_id(to_seal(context), poly.limbs()),
          plaintext.scale,
          {poly.limb(0), poly.limb(0) + poly.limbs() * poly.n()}};
}

Cipher to_seal(const Context& context, const ckks::Ciphertext& ciphertext) {
  const std::size_t limbs = ciphertext.level.limbs();
  Cipher result{parms_id(to_seal(context), limbs), ciphertext.parts.size(), context.n(), limbs, ciphertext.scale, {}};
  for (const ring::Poly& part : ciphertext.parts) {
    result.residues.insert(result.residues.end(), part.limb(0), part.limb(0) + limbs * context.n());
  }
  return result;
}

Keys relinearization_to_seal(const Context& context, const ckks::SwitchingKey& key) {
  return {parms_id(to_seal(context), context.prime_count()), 1, {{0, key_to_seal(context, key)}}};
}

Keys galois_to_seal(const Context& context, const std::map<std::uint64_t, ckks::SwitchingKey>& keys) {
  Keys result{parms_id(to_seal(context), context.prime_count()), context.n(), {}};
  for (const auto& [g, key] : keys) result.keys[(g - 1) / 2] = key_to_seal(context, permuted(context, key, g));
  return result;
}

ckks::Plaintext from_seal(const Context& context, const Plain& plain) {
  const ckks::Level level = level_of(context, plain.parms_id);
  const std::size_t limbs = level.limbs(), n = context.n();
  expect(plain.residues.size() == limbs * n, "a plaintext of another size");
  ckks::Plaintext result{ring::Poly(n, limbs), level, plain.scale};
  for (const ckks::LimbIndex i : level.primes()) {
    check_limb(plain.residues.data() + i * n, n, context.prime(i).value());
    std::copy_n(plain.residues.data() + i * n, n, result.poly.limb(i));
  }
  return result;
}

ckks::Ciphertext from_seal(const Context& context, const Cipher& cipher) {
  ckks::Ciphertext result;
  result.level = level_of(context, cipher.parms_id);
  result.scale = cipher.scale;
  expect(cipher.degree == context.n() && cipher.limbs == result.level.limbs(), "a ciphertext of another size");
  for (std::size_t part = 0; part < cipher.parts; ++part) {
    ring::Poly& poly = result.parts.emplace_back(context.n(), cipher.limbs);
    for (const ckks::LimbIndex i : result.level.primes()) {
      check_limb(cipher.limb(part, i), context.n(), context.prime(i).value());
      std::copy_n(cipher.limb(part, i), context.n(), poly.limb(i));
    }
  }
  return result;
}

ckks::SwitchingKey relinearization_from_seal(const Context& context, const Keys& keys) {
  expect(keys.size == 1 && keys.keys.contains(0), "no relinearisation key of s^2");
  return key_from_seal(context, keys.keys.at(0));
}

std::map<std::uint64_t, ckks::SwitchingKey> galois_from_seal(const Context& context, const Keys& keys) {
  std::map<std::uint64_t, ckks::SwitchingKey> result;
  for (const auto& [index, digits] : keys.keys) {
    const std::uint64_t g = 2 * index + 1;
    result.emplace(g, permuted(context, key_from_seal(context, digits), inverse_element(context, g)));
  }
  return result;
}

std::vector<std::complex<double>> apply_element(const Context& context, std::uint64_t g,
                                                const std::vector<std::complex<double>>& slots) {
  const Powers powers(context);
  std::vector<std::complex<double>> result;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Place place(context, powers, powers.power[i] * g & (2 * context.n() - 1));
    result.push_back(place.of(slots[place.index]));
  }
  return result;
}

std::vector<std::complex<double>> slots_to_seal(const Context& context,
                                                const std::vector<std::complex<double>>& slots) {
  std::vector<std::complex<double>> result;
  for (const Place& place : seal_places(context)) result.push_back(place.of(slots[place.index]));
  return result;
}

std::vector<std::complex<double>> slots_from_seal(const Context& context,
                                                  const std::vector<std::complex<double>>& slots) {
  std::vector<std::complex<double>> result(slots.size());
  const std::vector<Place> places = seal_places(context);
  for (std::size_t i = 0; i < slots.size(); ++i) result[places[i].index] = places[i].of(slots[i]);
  return result;
}

std::uint64_t seal_element(const Context& context, int steps) {
  const std::uint64_t mask = 2 * context.n() - 1;
  if (steps == 0) return mask;
  const auto half = static_cast<int>(context.slots());
  std::uint64_t g = 1;
  for (int k = 0; k < (steps + half) % half; ++k) g = g * 3 & mask;
  return g;
}

int steps_of(const Context& context, std::uint64_t g) {
  expect(g % 4 == 1, std::to_string(g) + " is not a power of 5");
  return static_cast<int>(Powers(context).logarithm[(g - 1) / 4]);
}

}  // namespace thex::testing::seal
