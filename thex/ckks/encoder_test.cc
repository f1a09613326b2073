#include "thex/ckks/encoder.h"

#include <limits>
#include <numbers>

#include "tests/support/ckks.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using support::Complex;
using support::expect_error;
using support::NamedSpec;
using support::Slots;

class EncoderOf : public ::testing::TestWithParam<NamedSpec> {
 protected:
  ContextPtr context = Context::create(GetParam().spec);
  Encoder encoder{context};
};

// Rounding coefficients to integers: deviation 1/sqrt(12) of each.
double rounding_bound(const Context& context, double scale) {
  return support::Noise{context}.slot_bound(std::sqrt(1.0 / 12), scale);
}

TEST_P(EncoderOf, DecodesWhatItEncodesAtEveryLevel) {
  const Slots values = support::random_slots(context->slots(), 1);
  for (Level level = 0; level <= context->max_level(); ++level) {
    const double scale = context->scale(level);
    const Plaintext plaintext = encoder.encode(std::span<const Complex>(values), level, scale);
    EXPECT_EQ(plaintext.level, level);
    EXPECT_EQ(plaintext.scale, scale);
    EXPECT_EQ(plaintext.poly.n(), context->n());
    EXPECT_EQ(plaintext.poly.limbs(), level.limbs());
    EXPECT_LT(support::error_of(encoder.decode(plaintext), values), rounding_bound(*context, scale));
  }
}

TEST_P(EncoderOf, CompactEncodingIsTheEncodingOfTheRepeatedVector) {
  const Level level = context->max_level();
  for (std::size_t period = 1; period <= context->slots(); period *= 4) {
    const std::vector<double> values = support::random_reals(period, period);
    std::vector<double> repeated(context->slots());
    for (std::size_t i = 0; i < repeated.size(); ++i) repeated[i] = values[i % period];
    const double scale = context->scale(level);
    const Plaintext compact = encoder.encode(std::span<const double>(values), level, scale);
    EXPECT_EQ(compact.poly.n(), std::max<std::size_t>(32, 2 * period));
    const Plaintext full = encoder.encode(std::span<const double>(repeated), level, scale);
    const Plaintext expanded = encoder.encode_full(std::span<const double>(values), level, scale);
    ASSERT_EQ(expanded.poly.n(), context->n());
    const std::size_t run = context->n() / compact.poly.n();
    // Coefficients off the subring are zero up to the transform's rounding, so the rounded polynomials agree; a
    // coefficient at a rounding tie may differ by one.
    std::size_t different = 0;
    for (std::size_t l = 0; l < full.poly.limbs(); ++l) {
      for (std::size_t i = 0; i < context->n(); ++i) {
        ASSERT_EQ(expanded.poly.limb(l)[i], compact.poly.limb(l)[i / run]);
        if (expanded.poly.limb(l)[i] != full.poly.limb(l)[i]) ++different;
      }
    }
    EXPECT_EQ(different, 0u) << "period " << period;
    const Slots expected(repeated.begin(), repeated.end());
    EXPECT_LT(support::error_of(encoder.decode(compact), expected), rounding_bound(*context, scale));
    EXPECT_LT(support::error_of(encoder.decode(full), expected), rounding_bound(*context, scale));
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, EncoderOf, ::testing::ValuesIn(support::specs()), support::name_of);

// X^k encodes to zeta^(k 5^i): the transform agrees with its definition through the NTT domain as well.
TEST(Encoder, DecodesMonomialsToPowersOfTheRoot) {
  const auto context = Context::create(support::spec("n12_alpha1"));
  const Encoder encoder(context);
  const std::size_t n = context->n();
  for (const std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{77}, n / 2, n - 1}) {
    Plaintext plaintext{ring::Poly(n, 2), 1, 1.0};
    for (const LimbIndex l : plaintext.level.primes()) {
      std::fill_n(plaintext.poly.limb(l), n, 0);
      plaintext.poly.limb(l)[k] = 3;
      ring::kernels().ntt_forward(plaintext.poly.limb(l), context->ntt(l));
    }
    const Slots slots = encoder.decode(plaintext);
    std::size_t power = 1;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const double angle = std::numbers::pi * static_cast<double>(k * power % (2 * n)) / static_cast<double>(n);
      ASSERT_LT(std::abs(slots[i] - 3.0 * Complex(std::cos(angle), std::sin(angle))), 1e-12) << k << " " << i;
      power = power * 5 % (2 * n);
    }
  }
}

// Coefficients of every size up to half the modulus survive, with the relative precision of doubles.
TEST(Encoder, DecodesLargeCoefficientsExactly) {
  const auto context = Context::create(support::spec("n14_alpha3"));
  const Encoder encoder(context);
  const Slots values = support::random_slots(context->slots(), 5);
  const Level level = context->max_level();
  const double log_q = context->constants().log_q[level.top()];
  for (double log_scale = 40; log_scale < log_q - 4; log_scale += 37.3) {
    const Plaintext plaintext = encoder.encode(std::span<const Complex>(values), level, std::exp2(log_scale));
    EXPECT_LT(support::error_of(encoder.decode(plaintext), values), std::max(1e-13, 64 * std::exp2(-log_scale) * 6))
        << log_scale;
  }
}

TEST(Encoder, RealPartsOnly) {
  const auto context = Context::create(support::spec("n12_alpha1"));
  const Encoder encoder(context);
  const std::vector<double> values = support::random_reals(64, 3);
  const std::vector<double> decoded =
      encoder.decode_real(encoder.encode(std::span<const double>(values), 1, context->scale(1)));
  ASSERT_EQ(decoded.size(), context->slots());
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    ASSERT_NEAR(decoded[i], values[i % 64], rounding_bound(*context, context->scale(1)));
  }
}

TEST(Encoder, RefusesMisuse) {
  const auto context = Context::create(support::spec("n12_alpha1"));
  const Encoder encoder(context);
  const auto refuses = [&](std::vector<double> values, Level level, double scale, std::vector<std::string> words) {
    expect_error(ErrorCode::crypto, words, [&] { encoder.encode(std::span<const double>(values), level, scale); });
  };
  refuses({}, 0, 1, {"0 values"});
  refuses({1, 2, 3}, 0, 1, {"3 values", "power of two"});
  refuses(std::vector<double>(2 * context->slots()), 0, 1, {"4096 values", "2048"});
  refuses({1}, -1, 1, {"level -1"});
  refuses({1}, 2, 1, {"level 2", "0..1"});
  refuses({1}, 1, 0, {"scale"});
  refuses({1}, 1, -4, {"scale"});
  refuses({1}, 1, std::numeric_limits<double>::infinity(), {"scale"});
  refuses({std::nan("")}, 1, 1, {"not finite"});
  refuses({1, std::numeric_limits<double>::infinity()}, 1, 1, {"not finite"});
  refuses({1e300}, 1, 1e300, {"not finite"});
  refuses({1}, 0, 0x1p38, {"does not fit the modulus", "level 0"});
  refuses({1e6}, 1, 0x1p50, {"does not fit the modulus", "level 1"});

  Plaintext plaintext = encoder.encode(std::vector<double>{1}, 1, 16);
  plaintext.level = 0;
  expect_error(ErrorCode::crypto, {"decode", "2 limbs"}, [&] { encoder.decode(plaintext); });
  plaintext.level = 1;
  plaintext.scale = 0;
  expect_error(ErrorCode::crypto, {"decode", "scale"}, [&] { encoder.decode(plaintext); });
}

}  // namespace
}  // namespace thex::ckks
