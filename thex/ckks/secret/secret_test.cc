#include "thex/ckks/secret/secret.h"

#include <cstring>

#include "tests/support/ckks.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using support::error_of;
using support::expect_error;
using support::identical;
using support::NamedSpec;
using support::Noise;
using support::Party;
using support::Slots;

// The coefficients of limb `index` of an NTT-domain polynomial, centred.
std::vector<std::int64_t> coefficients(const Context& context, const ring::Poly& poly, std::size_t position,
                                       LimbIndex index) {
  ring::Buffer row(context.n());
  std::memcpy(row.data(), poly.limb(position), context.n() * sizeof(std::uint64_t));
  ring::kernels().ntt_inverse(row.data(), context.ntt(index));
  std::vector<std::int64_t> result(context.n());
  const auto q = static_cast<std::int64_t>(context.prime(index).value());
  for (std::size_t i = 0; i < context.n(); ++i) {
    const auto x = static_cast<std::int64_t>(row.data()[i]);
    result[i] = x > q / 2 ? x - q : x;
  }
  return result;
}

double deviation(const std::vector<std::int64_t>& values) {
  double sum = 0;
  for (const std::int64_t v : values) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST(SecretKey, IsUniformTernaryAndTheSameModuloEveryPrime) {
  const auto context = Context::create(support::spec("n14_alpha3"));
  ring::Prng prng(ring::Seed{3});
  const auto key = secret::SecretKey::generate(context, prng);
  const std::vector<std::int64_t> s = coefficients(*context, key.poly(), 0, LimbIndex(0));
  std::map<std::int64_t, int> histogram;
  for (const std::int64_t v : s) ++histogram[v];
  ASSERT_EQ(histogram.size(), 3u);
  const double third = static_cast<double>(context->n()) / 3;
  for (const std::int64_t v : {-1, 0, 1}) EXPECT_NEAR(histogram[v], third, 6 * std::sqrt(third)) << v;
  for (const LimbIndex i : LimbRange(1, context->prime_count())) EXPECT_EQ(coefficients(*context, key.poly(), i, i), s);
}

TEST(SecretKey, IsDeterminedByItsSeed) {
  const auto context = Context::create(support::spec("n12_alpha1"));
  ring::Prng first(ring::Seed{1}), second(ring::Seed{1}), third(ring::Seed{2});
  const auto a = secret::SecretKey::generate(context, first), b = secret::SecretKey::generate(context, second);
  const auto c = secret::SecretKey::generate(context, third);
  EXPECT_EQ(a.seed(), b.seed());
  EXPECT_NE(a.seed(), c.seed());
  EXPECT_TRUE(identical(a.poly(), b.poly()));
  EXPECT_FALSE(identical(a.poly(), c.poly()));
  EXPECT_TRUE(identical(a.poly(), secret::SecretKey::from_seed(context, a.seed()).poly()));
}

TEST(SecretKey, MovingLeavesNothingBehind) {
  const auto context = Context::create(support::spec("n12_alpha1"));
  ring::Prng prng(ring::Seed{1});
  auto a = secret::SecretKey::generate(context, prng);
  const ring::Poly copy = a.poly();
  const secret::SecretKey b = std::move(a);
  EXPECT_TRUE(identical(b.poly(), copy));
  EXPECT_TRUE(a.poly().empty());  // NOLINT: the state after a move is what is tested
  EXPECT_EQ(a.seed(), ring::Seed{});
  auto c = secret::SecretKey::generate(context, prng);
  auto d = secret::SecretKey::generate(context, prng);
  const ring::Poly of_d = d.poly();
  c = std::move(d);
  EXPECT_TRUE(identical(c.poly(), of_d));
  EXPECT_EQ(d.seed(), ring::Seed{});
}

class EncryptionOf : public ::testing::TestWithParam<NamedSpec> {
 protected:
  Party& p = support::party(GetParam().name);
};

TEST_P(EncryptionOf, SymmetricNoiseIsTheGaussian) {
  for (const Level level : {Level(0), p.top()}) {
    const double scale = p.context->scale(level);
    const Plaintext plain = p.encode(support::random_slots(p.context->slots(), 1), level, scale);
    const SeededCiphertext seeded = secret::encrypt(p.key, plain, p.prng);
    EXPECT_EQ(seeded.level, level);
    EXPECT_EQ(seeded.scale, scale);
    Plaintext decrypted = secret::decrypt(p.key, p.evaluator.expand(seeded));
    for (const LimbIndex i : level.primes()) {
      ring::kernels().sub(decrypted.poly.limb(i), decrypted.poly.limb(i), plain.poly.limb(i), p.context->n(),
                          p.context->prime(i));
      const std::vector<std::int64_t> error = coefficients(*p.context, decrypted.poly, i, i);
      EXPECT_NEAR(deviation(error), ring::kSigma, 0.15);
      EXPECT_EQ(error, coefficients(*p.context, decrypted.poly, 0, LimbIndex(0)));
      for (const std::int64_t e : error) EXPECT_LE(std::abs(e), 20);
    }
  }
}

TEST_P(EncryptionOf, PublicKeyNoiseIsAsPredicted) {
  const PublicKey key = secret::make_public_key(p.key, p.prng);
  for (const Level level : {Level(0), p.top()}) {
    const double scale = p.context->scale(level);
    const Slots values = support::random_slots(p.context->slots(), 1);
    const Plaintext plain = p.encode(values, level, scale);
    const Ciphertext ciphertext = secret::encrypt(*p.context, key, plain, p.prng);
    EXPECT_LT(error_of(p.decrypt(ciphertext), values), p.noise.product_slot_bound(p.noise.fresh_public(), scale));
    Plaintext error = secret::decrypt(p.key, ciphertext);
    ring::kernels().sub(error.poly.limb(0), error.poly.limb(0), plain.poly.limb(0), p.context->n(),
                        p.context->prime(LimbIndex(0)));
    EXPECT_NEAR(deviation(coefficients(*p.context, error.poly, 0, LimbIndex(0))) / p.noise.fresh_public(), 1, 0.1);
  }
}

TEST_P(EncryptionOf, CompactPlaintexts) {
  const std::vector<double> values = support::random_reals(64, 4);
  const Level level = p.top();
  const Plaintext plain = p.encode(values, level, p.context->scale(level));
  Slots expected(p.context->slots());
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = values[i % values.size()];
  EXPECT_LT(error_of(p.decrypt(p.evaluator.expand(secret::encrypt(p.key, plain, p.prng))), expected),
            p.fresh_bound(level));
  const PublicKey key = secret::make_public_key(p.key, p.prng);
  EXPECT_LT(error_of(p.decrypt(secret::encrypt(*p.context, key, plain, p.prng)), expected),
            p.noise.product_slot_bound(p.noise.fresh_public(), p.context->scale(level)));
}

// Key switching adds what the analysis says: the deviation of the decrypted difference, not only its maximum.
TEST_P(EncryptionOf, KeySwitchingNoiseIsAsPredicted) {
  const Level level = p.top();
  const Slots a = support::random_slots(p.context->slots(), 1);
  const Ciphertext x = p.encrypt(a, level);
  const Ciphertext there = p.evaluator.rotate(x, 1, p.keys);
  const Ciphertext back = p.evaluator.rotate(there, -1, p.keys);
  Plaintext before = secret::decrypt(p.key, x), after = secret::decrypt(p.key, back);
  ring::kernels().sub(after.poly.limb(0), after.poly.limb(0), before.poly.limb(0), p.context->n(),
                      p.context->prime(LimbIndex(0)));
  const double two_switches = std::sqrt(2.0) * p.noise.key_switch(level);
  EXPECT_NEAR(deviation(coefficients(*p.context, after.poly, 0, LimbIndex(0))) / two_switches, 1, 0.15);
}

// b + a s' = e + P g_d s for every digit and prime, e Gaussian: the definition in keys.h.
TEST_P(EncryptionOf, KeysSatisfyTheirDefinition) {
  const Context& context = *p.context;
  const Level level = std::max<Level>(0, p.top() - 1);
  const std::uint64_t g = context.galois_element(3), inverse = context.galois_element(-3);
  const SwitchingKey key = secret::make_galois_key(p.key, g, level, p.prng);
  ASSERT_EQ(key.b.size(), context.digit_count(level));
  ring::Poly row(context.n(), 2);
  for (std::size_t d = 0; d < key.b.size(); ++d) {
    std::vector<std::int64_t> first;
    for (std::size_t position = 0; position < key.b[d].limbs(); ++position) {
      const LimbIndex index = limb_prime(context, level, position);
      const ring::Modulus& q = context.prime(index);
      const auto& kernels = ring::kernels();
      kernels.permute(row.limb(0), p.key.poly().limb(index), context.permutation(inverse).data(), context.n());
      kernels.mul(row.limb(0), row.limb(0), key.a[d].limb(position), context.n(), q);
      kernels.add(row.limb(0), row.limb(0), key.b[d].limb(position), context.n(), q);
      if (position < level.limbs() && index / context.digit_limbs() == d) {
        std::uint64_t special = 1;
        for (std::size_t j = 0; j < context.special_count(); ++j) {
          special = q.mul(special, q.reduce(context.special(j).value()));
        }
        kernels.mul_scalar(row.limb(1), p.key.poly().limb(index), special, context.n(), q);
        kernels.sub(row.limb(0), row.limb(0), row.limb(1), context.n(), q);
      }
      const std::vector<std::int64_t> error = coefficients(context, row, 0, index);
      EXPECT_NEAR(deviation(error), ring::kSigma, 0.15);
      if (first.empty()) first = error;
      EXPECT_EQ(error, first);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, EncryptionOf, ::testing::ValuesIn(support::specs()), support::name_of);

TEST(Encryption, IsDeterministicFromTheGeneratorAndFreshOtherwise) {
  Party& p = support::party("n12_alpha1");
  const Plaintext plain = p.encode(std::vector<double>{0.5}, 1, p.context->scale(1));
  const auto once = [&](std::uint8_t seed) {
    ring::Prng prng(ring::Seed{seed});
    return secret::encrypt(p.key, plain, prng);
  };
  EXPECT_TRUE(identical(once(1).c0, once(1).c0));
  EXPECT_EQ(once(1).seed, once(1).seed);
  EXPECT_FALSE(identical(once(1).c0, once(2).c0));
  ring::Prng fresh1, fresh2, same(ring::Seed{1});
  EXPECT_NE(secret::encrypt(p.key, plain, fresh1).seed, secret::encrypt(p.key, plain, fresh2).seed);
  const auto first = secret::encrypt(p.key, plain, same), second = secret::encrypt(p.key, plain, same);
  EXPECT_NE(first.seed, second.seed);

  const auto keys = [&](std::uint8_t seed) {
    ring::Prng prng(ring::Seed{seed});
    return serialize(*p.context, secret::make_evaluation_keys(p.key, {{{1, 1}, {2, 0}}, 1, 1}, prng));
  };
  EXPECT_EQ(keys(1), keys(1));
  EXPECT_NE(keys(1), keys(2));
}

TEST(Keys, MadeForALevelServeItAndEverythingBelow) {
  Party& p = support::party("n14_alpha3");
  const Slots a = support::random_slots(p.context->slots(), 1);
  for (const Level made : {0, 2, 3, 5}) {
    const EvaluationKeys keys = secret::make_evaluation_keys(p.key, {{{7, made}}, made, -1}, p.prng);
    EXPECT_EQ(keys.rotation(*p.context, 7, made).b[0].limbs(), made.limbs() + p.context->special_count());
    for (Level level = 0; level <= made; ++level) {
      const Ciphertext x = p.encrypt(a, level);
      const double bound = p.fresh_bound(level) + p.switch_bound(level, x.scale);
      EXPECT_LT(error_of(p.decrypt(p.evaluator.rotate(x, 7, keys)), support::rotated(a, 7)), bound);
      if (level == 0) continue;
      const Ciphertext square = p.evaluator.mul(x, x);
      EXPECT_LT(error_of(p.decrypt(p.evaluator.relinearize(square, keys)), support::zip(a, a, std::multiplies<>())),
                3 * p.fresh_bound(level) + p.switch_bound(level, square.scale));
    }
  }
}

TEST(Keys, EqualRotationsAreOneKeyAtTheHigherLevel) {
  Party& p = support::party("n13_alpha1");
  const int slots = static_cast<int>(p.context->slots());
  KeyRequirements required;
  required.rotations = {{1, 1}, {1 - slots, 3}, {0, 2}, {slots, 2}};
  const EvaluationKeys keys = secret::make_evaluation_keys(p.key, required, p.prng);
  ASSERT_EQ(keys.galois.size(), 1u);
  EXPECT_EQ(keys.rotation(*p.context, 1, 3).level, 3);
  EXPECT_EQ(keys.bytes(), 2u * 4 * (4 + 1) * p.context->n() * 8);
}

TEST(Keys, RefuseMisuse) {
  Party& p = support::party("n12_alpha1");
  expect_error(ErrorCode::crypto, {"level 2", "0..1"}, [&] { secret::make_relinearization_key(p.key, 2, p.prng); });
  expect_error(ErrorCode::crypto, {"level -1"}, [&] { secret::make_galois_key(p.key, 5, -1, p.prng); });
  expect_error(ErrorCode::crypto, {"Galois element 4"}, [&] { secret::make_galois_key(p.key, 4, 0, p.prng); });
  expect_error(ErrorCode::crypto, {"level 7"}, [&] {
    secret::make_evaluation_keys(p.key, {{{1, 7}}, -1, -1}, p.prng);
  });
  Plaintext plain = p.encode(std::vector<double>{1}, 1, 1024);
  plain.level = 5;
  expect_error(ErrorCode::crypto, {"encrypt", "level 5"}, [&] { secret::encrypt(p.key, plain, p.prng); });
  const PublicKey foreign = secret::make_public_key(support::party("n13_alpha1").key, p.prng);
  plain.level = 1;
  expect_error(ErrorCode::keys, {"other CKKS parameters"},
               [&] { secret::encrypt(*p.context, foreign, plain, p.prng); });
}

}  // namespace
}  // namespace thex::ckks
