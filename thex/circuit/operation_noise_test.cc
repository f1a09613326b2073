// Each operation alone: the difference between decryptions before and after it is what it adds.
#include "thex/circuit/operation_noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/support/ckks.h"
#include "tests/support/random_reals.h"
#include "thex/ckks/rounded_ciphertext.h"

namespace thex::circuit {
namespace {

using ckks::Ciphertext;
using support::mean_square;
using support::Party;
using support::Reals;
using support::rms_difference;
using support::rotated;
using support::uniform;

class OperationNoiseOf : public ::testing::TestWithParam<support::NamedSpec> {
 protected:
  // Measured and predicted within `bits`.
  static void expect_near(double measured, double variance, double bits, const std::string& what) {
    EXPECT_NEAR(std::log2(measured), std::log2(std::sqrt(variance)), bits) << what;
  }
  static Reals decrypt(const Party& p, const Ciphertext& c) {
    return p.encoder.decode_real(ckks::secret::decrypt(p.key, c));
  }
  static Ciphertext encrypt(Party& p, const Reals& v, ckks::Level level) {
    return p.evaluator.expand(ckks::secret::encrypt(p.key, p.encode(v, level, p.context->scale(level)), p.prng));
  }
};

TEST_P(OperationNoiseOf, IsWhatCiphertextsShow) {
  Party& p = support::party(GetParam().name);
  const OperationNoise noise(*p.context);
  const std::size_t slots = p.context->slots();
  const auto public_key = ckks::secret::make_public_key(p.key, p.prng);
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    for (ckks::Level level = p.top(); level >= 0; level = level - (1 + p.top().number() / 3)) {
      const std::string at = "level " + to_string(level) + ", seed " + std::to_string(seed);
      const double scale = p.context->scale(level);
      const Reals x = uniform(slots, seed), y = uniform(slots, seed + 100);
      const auto plain_x = p.encode(x, level, scale);
      const Reals encoded = p.encoder.decode_real(plain_x);
      expect_near(rms_difference(encoded, x), noise.encoding(slots, scale), 0.5, "encoding, " + at);
      const Ciphertext a = encrypt(p, x, level), b = encrypt(p, y, level);
      const Reals da = decrypt(p, a), db = decrypt(p, b);
      expect_near(rms_difference(da, encoded), noise.encryption(scale), 0.5, "encryption, " + at);
      const Ciphertext by_public = ckks::secret::encrypt(*p.context, public_key, plain_x, p.prng);
      expect_near(rms_difference(decrypt(p, by_public), encoded), noise.public_encryption(scale), 0.75,
                  "public-key encryption, " + at);
      for (const int steps : {1, 3})
        expect_near(rms_difference(decrypt(p, p.evaluator.rotate(a, steps, p.keys)), rotated(da, steps)),
                    noise.key_switch(level, scale), 0.75, "rotation, " + at);
      const Ciphertext hoisted = p.evaluator.rotate_hoisted(a, p.evaluator.decompose(a), 4, p.keys);
      expect_near(rms_difference(decrypt(p, hoisted), rotated(da, 4)), noise.key_switch(level, scale), 0.75,
                  "hoisted rotation, " + at);
      expect_near(rms_difference(decrypt(p, p.evaluator.conjugate(a, p.keys)), da), noise.key_switch(level, scale),
                  0.75, "conjugation, " + at);
      if (level == 0) continue;

      if (level == 1) {
        const Ciphertext rounded = ckks::parse_rounded(*p.context, ckks::serialize_rounded(*p.context, a));
        expect_near(rms_difference(decrypt(p, rounded), da), noise.rounded_sending(scale), 0.5, "short form, " + at);
      }

      const double below = p.context->scale(level - 1);
      Reals product(slots), expected(slots);
      for (std::size_t i = 0; i < slots; ++i) product[i] = da[i] * db[i];
      const Ciphertext ab = p.evaluator.relinearize_rescale(p.evaluator.mul(a, b), p.keys);
      expect_near(rms_difference(decrypt(p, ab), product), noise.relinearize_rescale(level - 1, below), 0.75,
                  "product, " + at);
      const double q = noise.dropped_prime(level - 1);
      const auto factor = p.encode(y, level, below * q / scale);
      const Reals encoded_factor = p.encoder.decode_real(factor);
      for (std::size_t i = 0; i < slots; ++i) expected[i] = da[i] * encoded_factor[i];
      const Ciphertext weighted = p.evaluator.rescale(p.evaluator.mul_plain(a, factor));
      expect_near(rms_difference(decrypt(p, weighted), expected), noise.rounding(below), 0.75, "rescaling, " + at);
      expect_near(rms_difference(decrypt(p, p.evaluator.align_to(a, level - 1)), da),
                  noise.lowering(mean_square(x), scale, level - 1), 0.75, "lowering, " + at);
      // A coarse plaintext, so that its rounding is what shows.
      const double coarse = 0x1p12;
      const Reals z = uniform(64, seed + 7);
      const auto small = p.encoder.encode(std::span<const double>(z), level, coarse);
      Reals repeated(slots);
      for (std::size_t i = 0; i < slots; ++i) repeated[i] = z[i % 64];
      expect_near(rms_difference(p.encoder.decode_real(small), repeated), noise.encoding(64, coarse), 0.5,
                  "periodic encoding, " + at);
    }
}

std::vector<support::NamedSpec> rings() {
  std::vector<support::NamedSpec> all;
  for (const char* name : {"n12_alpha1", "n13_alpha1", "n13_alpha2", "n14_alpha2_short", "n14_one_digit"})
    all.push_back({name, support::spec(name)});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Rings, OperationNoiseOf, ::testing::ValuesIn(rings()), support::name_of);

}  // namespace
}  // namespace thex::circuit
