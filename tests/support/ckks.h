// For tests of ckks and of what stands on it: parameter sets, random vectors, a client with keys, and the noise bounds
// that results must keep.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/precision.h"
#include "thex/ckks/secret/secret.h"

namespace thex::ckks {

// For the messages of failed checks.
inline std::ostream& operator<<(std::ostream& out, Level level) { return out << level.number(); }

}  // namespace thex::ckks

namespace thex::support {

using Complex = std::complex<double>;
using Slots = std::vector<Complex>;

struct NamedSpec {
  const char* name;
  ckks::ContextSpec spec;
};

// Several rings, digit sizes (one limb, a short last digit, one digit for all) and scales; every one is 128-bit secure.
inline const std::vector<NamedSpec>& specs() {
  static const std::vector<NamedSpec> list = {
      {"n12_alpha1", {12, {38, 28}, {38}, 1, 28}},
      {"n13_alpha1", {13, {45, 32, 32, 32}, {46}, 1, 32}},
      {"n13_alpha2", {13, {42, 30, 30, 30}, {36, 37}, 2, 30}},
      {"n14_alpha2_short", {14, {50, 36, 36, 36, 36, 36, 36}, {44, 44}, 2, 36}},
      {"n14_alpha3", {14, {50, 36, 36, 36, 36, 36, 36, 36}, {41, 41, 42}, 3, 36}},
      {"n14_one_digit", {14, {48, 34, 34, 34, 34}, {47, 47, 47, 47}, 5, 34}},
  };
  return list;
}

inline const ckks::ContextSpec& spec(const std::string& name) {
  for (const NamedSpec& entry : specs()) {
    if (entry.name == name) return entry.spec;
  }
  throw std::invalid_argument("no test parameters called " + name);
}

inline Slots random_slots(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  Slots slots(count);
  for (Complex& slot : slots) slot = {uniform(generator), uniform(generator)};
  return slots;
}

inline std::vector<double> random_reals(std::size_t count, std::uint64_t seed) {
  std::vector<double> reals;
  for (const Complex& slot : random_slots(count, seed)) reals.push_back(slot.real());
  return reals;
}

// Slot i is slot i + steps of `a`.
template <typename T>
std::vector<T> rotated(const std::vector<T>& a, int steps) {
  const auto n = static_cast<int>(a.size());
  std::vector<T> result(a.size());
  std::rotate_copy(a.begin(), a.begin() + (steps % n + n) % n, a.end(), result.begin());
  return result;
}

template <typename F>
Slots zip(const Slots& a, const Slots& b, F f) {
  Slots result(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) result[i] = f(a[i], b[i]);
  return result;
}

// The standard deviation of a noise polynomial's coefficients, for the operations that add noise. A coefficient
// deviation d gives slots of magnitude d sqrt(N) / scale on average (root mean square).
struct Noise {
  const ckks::Context& context;

  double n() const { return static_cast<double>(context.n()); }
  double fresh() const { return std::sqrt(ring::kSigma * ring::kSigma + 1.0 / 12); }  // and the encoder's rounding
  double fresh_public() const { return ring::kSigma * std::sqrt(1 + 2 * n() * 2 / 3); }
  // A rounding error of c_0, and one of c_1 times the ternary secret.
  double rounding() const { return std::sqrt((1 + n() * 2 / 3) / 12); }
  // Centred digits times Gaussian errors, divided by P, and the rounding of ModDown.
  double key_switch(ckks::Level level) const {
    double log_p = 0;
    for (std::size_t j = 0; j < context.special_count(); ++j) {
      log_p += std::log2(static_cast<double>(context.special(j).value()));
    }
    double variance = rounding() * rounding();
    for (std::size_t d = 0; d < context.digit_count(level); ++d) {
      double log_digit = 0;
      const std::size_t end = std::min((d + 1) * context.digit_limbs(), level.limbs());
      for (const ckks::LimbIndex i : ckks::LimbRange(d * context.digit_limbs(), end)) {
        log_digit += std::log2(static_cast<double>(context.prime(i).value()));
      }
      variance += n() * ring::kSigma * ring::kSigma / 12 * std::exp2(2 * (log_digit - log_p));
    }
    return std::sqrt(variance);
  }
  // The largest slot error to expect of a Gaussian polynomial: 6 deviations (a slot exceeds them with probability
  // exp(-36)).
  double slot_bound(double deviation, double scale) const { return 6 * deviation * std::sqrt(n()) / scale; }
  // Of a product of two Gaussian polynomials, such as a rounding error times the secret key: a slot exceeds t
  // deviations with probability near exp(-2t).
  double product_slot_bound(double deviation, double scale) const { return 2 * slot_bound(deviation, scale); }
  // Of a rounding error times the square of the secret: exp(-3 (t/2)^(2/3)).
  double square_slot_bound(double scale) const { return 42 * std::sqrt(n() / 12) * (n() * 2 / 3) / scale; }
};

// A client with its keys, and everything to compute with.
struct Party {
  ckks::ContextPtr context;
  ckks::Encoder encoder;
  ckks::Evaluator evaluator;
  ring::Prng prng{ring::Seed{42}};
  ckks::secret::SecretKey key;
  Noise noise;
  ckks::EvaluationKeys keys;

  explicit Party(const ckks::ContextSpec& parameters)
      : context(ckks::Context::create(parameters)),
        encoder(context),
        evaluator(context),
        key(ckks::secret::SecretKey::generate(context, prng)),
        noise{*context} {}

  void make_keys(const ckks::KeyRequirements& required) {
    keys = ckks::secret::make_evaluation_keys(key, required, prng);
  }

  ckks::Level top() const { return context->max_level(); }

  ckks::Plaintext encode(const Slots& slots, ckks::Level level, double scale) const {
    return encoder.encode(std::span<const Complex>(slots), level, scale);
  }
  ckks::Plaintext encode(const std::vector<double>& slots, ckks::Level level, double scale) const {
    return encoder.encode(std::span<const double>(slots), level, scale);
  }
  ckks::Ciphertext encrypt(const Slots& slots, ckks::Level level) {
    return evaluator.expand(ckks::secret::encrypt(key, encode(slots, level, context->scale(level)), prng));
  }
  Slots decrypt(const ckks::Ciphertext& ciphertext) const {
    return encoder.decode(ckks::secret::decrypt(key, ciphertext));
  }

  double fresh_bound(ckks::Level level) const { return noise.slot_bound(noise.fresh(), context->scale(level)); }
  // The bound of a rescaling or key switch, at the scale it leaves.
  double rounding_bound(double scale) const { return noise.product_slot_bound(noise.rounding(), scale); }
  double switch_bound(ckks::Level level, double scale) const {
    return noise.product_slot_bound(noise.key_switch(level), scale);
  }
};

// One party for each parameter set, with rotation keys (1, -1, 3, 4, -4, 8), relinearisation and conjugation at the top
// level; built once.
inline Party& party(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Party>> parties;
  auto& entry = parties[name];
  if (!entry) {
    entry = std::make_unique<Party>(spec(name));
    ckks::KeyRequirements required;
    const ckks::Level top = entry->top();
    required.rotations = {{1, top}, {-1, top}, {3, top}, {4, top}, {-4, top}, {8, top}};
    required.relinearization_level = top;
    required.conjugation_level = top;
    entry->make_keys(required);
  }
  return *entry;
}

// The largest slot error.
inline double error_of(const Slots& computed, const Slots& expected) {
  return ckks::precision(computed, expected).max_error;
}

inline bool identical(const ring::Poly& a, const ring::Poly& b) {
  if (a.n() != b.n() || a.limbs() != b.limbs()) return false;
  for (std::size_t i = 0; i < a.limbs(); ++i) {
    if (!std::equal(a.limb(i), a.limb(i) + a.n(), b.limb(i))) return false;
  }
  return true;
}

inline bool identical(const ckks::Ciphertext& a, const ckks::Ciphertext& b) {
  if (a.parts.size() != b.parts.size() || a.level != b.level || a.scale != b.scale) return false;
  for (std::size_t p = 0; p < a.parts.size(); ++p) {
    if (!identical(a.parts[p], b.parts[p])) return false;
  }
  return true;
}

// Expects thex::Error with this code and a message that contains every one of `words`.
template <typename F>
void expect_error(ErrorCode code, const std::vector<std::string>& words, F&& action) {
  try {
    action();
    FAIL() << "no error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& word : words) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << " lacks: " << word;
    }
  }
}

// A name for each parameter set of a TEST_P.
inline std::string name_of(const ::testing::TestParamInfo<NamedSpec>& info) { return info.param.name; }

}  // namespace thex::support
