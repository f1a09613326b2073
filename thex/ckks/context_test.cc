#include "thex/ckks/context.h"

#include <cmath>
#include <set>
#include <thread>

#include "tests/support/ckks.h"

namespace thex::ckks {
namespace {

using support::expect_error;
using support::NamedSpec;

class ContextOf : public ::testing::TestWithParam<NamedSpec> {};

TEST_P(ContextOf, PrimesAreDistinctNttPrimesNearTheirSizes) {
  const auto context = Context::create(GetParam().spec);
  std::set<std::uint64_t> seen;
  for (const LimbIndex i : LimbRange(0, context->prime_count())) {
    const std::uint64_t q = context->prime(i).value();
    EXPECT_TRUE(seen.insert(q).second) << q << " occurs twice";
    EXPECT_EQ(q % (2 * context->n()), 1u);
    const auto& spec = context->spec();
    const int bits = i < spec.q_bits.size() ? spec.q_bits[i] : spec.p_bits[i - spec.q_bits.size()];
    EXPECT_NEAR(std::log2(static_cast<double>(q)), bits, 0.02);
  }
}

TEST_P(ContextOf, CanonicalScalesObeyTheirRuleAndStayNearTheTop) {
  const auto context = Context::create(GetParam().spec);
  EXPECT_EQ(context->scale(context->max_level()), std::ldexp(1.0, context->spec().log_scale));
  for (Level l = context->max_level(); l > 0; --l) {
    const double q = static_cast<double>(context->prime(l.top()).value());
    EXPECT_EQ(context->scale(l - 1), context->scale(l) * context->scale(l) / q);
    EXPECT_NEAR(std::log2(context->scale(l - 1)), context->spec().log_scale, 0.02);
  }
}

TEST_P(ContextOf, LogQpIsTheSizeOfTheActualPrimes) {
  const auto context = Context::create(GetParam().spec);
  double sum = 0;
  for (const LimbIndex i : LimbRange(0, context->prime_count())) {
    sum += std::log2(static_cast<double>(context->prime(i).value()));
  }
  EXPECT_NEAR(context->log_qp(), sum, 1e-9);
  EXPECT_LE(context->log_qp(), max_log_qp_128(context->log_n()));
  EXPECT_EQ(context->security_bits(), 128);
}

INSTANTIATE_TEST_SUITE_P(Specs, ContextOf, ::testing::ValuesIn(support::specs()), support::name_of);

TEST(Context, ScalesStayNearOverALongChain) {
  ContextSpec spec{16, std::vector<int>(31, 33), {49, 48, 48}, 4, 33};
  spec.q_bits[0] = 45;
  const auto context = Context::create(spec);
  for (Level l = 0; l <= context->max_level(); ++l)
    EXPECT_NEAR(std::log2(context->scale(l)), 33, 0.02) << "level " << l;
}

TEST(Context, ChainOfDeliberatelyUnequalPrimes) {
  // 2 * 36 - 40 = 32, 2 * 32 - 32 = 32.
  const auto context = Context::create({14, {50, 32, 40}, {50}, 1, 36});
  EXPECT_NEAR(std::log2(context->scale(2)), 36, 1e-12);
  EXPECT_NEAR(std::log2(context->scale(1)), 32, 1e-3);
  EXPECT_NEAR(std::log2(context->scale(0)), 32, 1e-3);
}

TEST(Context, WideSecondPrime) {
  const ContextSpec spec{.log_n = 13, .q_bits = {46, 45, 36}, .p_bits = {47}, .log_scale = 36, .wide_q1 = true};
  const ContextPtr context = Context::create(spec);
  EXPECT_EQ(context->scale(2), 0x1p36);
  EXPECT_EQ(context->scale(0), context->scale(1));
  ContextSpec other = spec;
  other.wide_q1 = false;
  other.q_bits = {46, 36, 36};
  EXPECT_NE(Context::create(other)->scale(0), Context::create(other)->scale(1));
  other.wide_q1 = true;
  other.q_bits = {46, 35, 36};
  EXPECT_THROW(Context::create(other), Error) << "not larger than the scale";
  other.q_bits = {46};
  EXPECT_THROW(Context::create(other), Error);
}

TEST(Context, TableOfTheSecurityGuidelines) {
  EXPECT_EQ(max_log_qp_128(12), 106);
  EXPECT_EQ(max_log_qp_128(13), 214);
  EXPECT_EQ(max_log_qp_128(14), 430);
  EXPECT_EQ(max_log_qp_128(15), 868);
  EXPECT_EQ(max_log_qp_128(16), 1747);
  EXPECT_EQ(max_log_qp_128(11), 0);
}

// For each ring: one bit below the table is accepted, one bit above it refused.
TEST(Context, RefusesJustAboveTheTableAndAcceptsJustBelow) {
  for (int log_n = 12; log_n <= 16; ++log_n) {
    const int limit = max_log_qp_128(log_n);
    const int step = log_n == 16 ? 46 : 30;
    ContextSpec spec{log_n, {}, {}, 1, step};
    const auto fill = [&](int total) {
      if (log_n == 12) {  // holds one level only
        spec.q_bits = {38, 28};
        spec.p_bits = {total - 66};
        spec.log_scale = 28;
        return;
      }
      spec.q_bits = {49};
      spec.p_bits = {50};
      int left = total - 99;
      for (; left >= 2 * step; left -= step) spec.q_bits.push_back(step);
      // The rest goes into more special primes.
      if (left <= 50) {
        spec.p_bits.push_back(left);
      } else {
        spec.p_bits.push_back(left / 2);
        spec.p_bits.push_back(left - left / 2);
      }
    };
    fill(limit - 1);
    EXPECT_NEAR(Context::create(spec)->log_qp(), limit - 1, 0.1);
    fill(limit + 1);
    expect_error(ErrorCode::crypto, {"128-bit", std::to_string(limit), "2^" + std::to_string(log_n)},
                 [&] { Context::create(spec); });
  }
}

// The actual primes decide, not their nominal sizes: the sizes add up to the limit, the primes lie just above it.
TEST(Context, RefusesByTheActualPrimes) {
  ContextSpec spec{12, {38, 28}, {40}, 1, 28};
  double log_qp = 0;
  bool refused = false;
  try {
    log_qp = Context::create(spec)->log_qp();
  } catch (const Error& error) {
    refused = true;
    EXPECT_NE(std::string(error.what()).find("106."), std::string::npos) << error.what();
  }
  EXPECT_TRUE(refused || log_qp <= 106);
}

TEST(Context, RefusesFieldsOutOfRange) {
  const ContextSpec good = support::spec("n13_alpha2");
  const auto refuses = [&](auto change, const std::vector<std::string>& words) {
    ContextSpec spec = good;
    change(spec);
    expect_error(ErrorCode::crypto, words, [&] { Context::create(spec); });
  };
  refuses([](ContextSpec& s) { s.log_n = 11; }, {"log_n = 11", "12..16"});
  refuses([](ContextSpec& s) { s.log_n = 17; }, {"log_n = 17"});
  refuses([](ContextSpec& s) { s.q_bits.clear(); }, {"q_bits is empty"});
  refuses([](ContextSpec& s) { s.p_bits.clear(); }, {"p_bits is empty"});
  refuses([](ContextSpec& s) { s.q_bits[1] = 51; }, {"q_bits[1] = 51"});
  refuses([](ContextSpec& s) { s.q_bits[1] = 10; }, {"q_bits[1] = 10"});
  refuses([](ContextSpec& s) { s.p_bits[0] = -1; }, {"p_bits[0] = -1"});
  refuses([](ContextSpec& s) { s.digit_limbs = 0; }, {"digit_limbs = 0"});
  refuses([](ContextSpec& s) { s.digit_limbs = 5; }, {"digit_limbs = 5"});
  refuses([](ContextSpec& s) { s.log_scale = 5; }, {"scale of level 3"});
  refuses([](ContextSpec& s) { s.log_scale = 40; }, {"scale of level"});
  refuses([](ContextSpec& s) { s.q_bits[0] = 30; }, {"q_0"});
  refuses([](ContextSpec& s) { s.p_bits = {30, 30}; }, {"digit 0", "special primes"});
  refuses([](ContextSpec& s) { s.q_bits.assign(1000, 30); }, {"128-bit"});
}

TEST(Context, FingerprintTellsSpecificationsApart) {
  const ContextSpec spec = support::spec("n13_alpha1");
  EXPECT_EQ(Context::create(spec)->fingerprint(), Context::create(spec)->fingerprint());
  std::set<std::array<std::uint8_t, 16>> seen{Context::create(spec)->fingerprint()};
  const auto differs = [&](auto change) {
    ContextSpec other = spec;
    change(other);
    EXPECT_TRUE(seen.insert(Context::create(other)->fingerprint()).second);
  };
  differs([](ContextSpec& s) { s.q_bits.pop_back(); });
  differs([](ContextSpec& s) { s.p_bits[0] = 47; });
  differs([](ContextSpec& s) { s.q_bits[0] = 44; });
  differs([](ContextSpec& s) { s.log_n = 14; });
  differs([](ContextSpec& s) { s = {13, {45, 32, 32}, {40, 40}, 1, 32}; });
  differs([](ContextSpec& s) { s = {13, {45, 32, 32}, {40, 40}, 2, 32}; });
}

TEST(Context, GaloisElements) {
  const auto context = Context::create(support::spec("n12_alpha1"));
  const std::uint64_t two_n = 2 * context->n();
  EXPECT_EQ(context->galois_element(0), 1u);
  EXPECT_EQ(context->galois_element(1), 5u);
  EXPECT_EQ(context->galois_element(static_cast<int>(context->slots())), 1u);
  EXPECT_EQ(context->galois_element(-3), context->galois_element(static_cast<int>(context->slots()) - 3));
  EXPECT_EQ(context->galois_element(7) * context->galois_element(-7) % two_n, 1u);
  EXPECT_EQ(context->conjugation_element(), two_n - 1);
  expect_error(ErrorCode::crypto, {"Galois element 2"}, [&] { context->permutation(2); });
  expect_error(ErrorCode::crypto, {"odd"}, [&] { context->permutation(two_n + 1); });
}

TEST(Context, PermutationsAndSmallTablesAreSafeToRequestFromManyThreads) {
  const auto context = Context::create(support::spec("n12_alpha1"));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int steps = 1; steps < 20; ++steps) {
        const auto& permutation = context->permutation(context->galois_element(steps));
        ASSERT_EQ(permutation.size(), context->n());
        ASSERT_EQ(&permutation, &context->permutation(context->galois_element(steps)));
        ASSERT_EQ(context->small_ntt(LimbIndex(0), 5 + steps % 7).log_n(), 5 + steps % 7);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace thex::ckks
