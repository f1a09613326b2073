#include "thex/ring/modulus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "thex/base/error.h"

namespace thex::ring {
namespace {

TEST(Prime, AgreesWithTrialDivision) {
  for (std::uint64_t n = 0; n < 20000; ++n) {
    bool prime = n >= 2;
    for (std::uint64_t d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
    EXPECT_EQ(is_prime(n), prime) << n;
  }
}

TEST(Prime, KnownLargeValues) {
  EXPECT_TRUE(is_prime(18446744073709551557u));  // the largest below 2^64
  EXPECT_TRUE(is_prime(1125899906842597u));      // the largest below 2^50
  EXPECT_FALSE(is_prime(3825123056546413051u));  // strong pseudoprime to the bases 2 to 23
  EXPECT_FALSE(is_prime(341550071728321u));      // and to 2 to 17
  EXPECT_FALSE(is_prime(18446744073709551615u));
}

TEST(Modulus, RejectsWhatIsNotAPrimeInRange) {
  for (const std::uint64_t q : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{9},
                                std::uint64_t{1} << 49, (std::uint64_t{1} << 61) - 1}) {
    EXPECT_THROW(Modulus{q}, Error) << q;
  }
}

class ModulusLaws : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ModulusLaws, AgreeWithWideDivision) {
  const Modulus q(GetParam());
  const std::uint64_t p = q.value();
  EXPECT_LT(p, std::uint64_t{1} << q.bits());
  EXPECT_GE(p, std::uint64_t{1} << (q.bits() - 1));
  std::mt19937_64 rng(1);
  std::vector<std::uint64_t> words = {0, 1, p - 1, p, p + 1, 2 * p - 1, ~std::uint64_t{0}, std::uint64_t{1} << 63};
  for (int i = 0; i < 200; ++i) words.push_back(rng());
  for (const std::uint64_t x : words) {
    EXPECT_EQ(q.reduce(x), x % p);
    const std::int64_t s = static_cast<std::int64_t>(x);
    const std::int64_t r = s % static_cast<std::int64_t>(p);
    EXPECT_EQ(q.from_signed(s), static_cast<std::uint64_t>(r < 0 ? r + static_cast<std::int64_t>(p) : r)) << s;
    for (const std::uint64_t y : words) {
      const Uint128 wide = (static_cast<Uint128>(x) << 64) | y;
      EXPECT_EQ(q.reduce128(wide), static_cast<std::uint64_t>(wide % p));
      const std::uint64_t a = x % p, b = y % p;
      const auto product = static_cast<std::uint64_t>(static_cast<Uint128>(a) * b % p);
      EXPECT_EQ(q.mul(a, b), product);
      EXPECT_EQ(q.shoup(b), static_cast<std::uint64_t>((static_cast<Uint128>(b) << 64) / p));
      EXPECT_EQ(q.add(a, b), (a + b) % p);
      EXPECT_EQ(q.sub(a, b), (a + p - b) % p);
      EXPECT_EQ(q.add(q.neg(b), b), 0u);
    }
    if (x % p != 0) {
      EXPECT_EQ(q.mul(q.inverse(x % p), x % p), 1u);
    }
    EXPECT_EQ(q.pow(x, p - 1), x % p == 0 ? 0u : 1u);
    EXPECT_EQ(q.pow(x, 0), 1u);
  }
  EXPECT_THROW(q.inverse(0), Error);
}

INSTANTIATE_TEST_SUITE_P(Primes, ModulusLaws,
                         ::testing::Values(3, 5, 97, 12289, 1073479681, 35184371138561, 1125899906842597));

TEST(NttPrimes, AreNearDistinctAndAlternate) {
  const auto primes = ntt_primes(40, 15, 12);
  ASSERT_EQ(primes.size(), 12u);
  EXPECT_EQ(std::set(primes.begin(), primes.end()).size(), 12u);
  for (std::size_t i = 0; i < primes.size(); ++i) {
    EXPECT_TRUE(is_prime(primes[i]));
    EXPECT_EQ(primes[i] % (1u << 16), 1u);
    EXPECT_EQ(primes[i] > (std::uint64_t{1} << 40), i % 2 == 0);
    EXPECT_NEAR(static_cast<double>(primes[i]) / 0x1p40, 1.0, 1e-4);
  }
  // Nothing nearer was left out on either side.
  std::size_t above = 0;
  const std::uint64_t highest = *std::max_element(primes.begin(), primes.end());
  for (std::uint64_t q = (std::uint64_t{1} << 40) + 1; q <= highest; q += 1u << 16) above += is_prime(q);
  EXPECT_EQ(above, 6u);
  const auto others = ntt_primes(40, 15, 12, primes);
  for (const std::uint64_t q : others) EXPECT_EQ(std::count(primes.begin(), primes.end(), q), 0);
}

TEST(NttPrimes, StayBelowTheLimit) {
  for (const std::uint64_t q : ntt_primes(50, 16, 20)) EXPECT_LT(q, std::uint64_t{1} << 50);
  EXPECT_THROW(ntt_primes(51, 16, 1), Error);
  EXPECT_THROW(ntt_primes(17, 16, 1), Error);
  EXPECT_THROW(ntt_primes(20, 16, 1000), Error);
}

}  // namespace
}  // namespace thex::ring
