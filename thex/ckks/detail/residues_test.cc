#include "thex/ckks/detail/residues.h"

#include <cmath>

#include "tests/support/ckks.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

const std::uint64_t kPrime = ring::ntt_primes(36, 14, 1)[0];

TEST(Residues, OfDoublesOfAnySize) {
  const ring::Modulus q(kPrime);
  EXPECT_EQ(residue_of(0, q), 0u);
  EXPECT_EQ(residue_of(5, q), 5u);
  EXPECT_EQ(residue_of(-5, q), kPrime - 5);
  EXPECT_EQ(residue_of(0x1p61, q), q.pow(2, 61));
  EXPECT_EQ(residue_of(0x1p62, q), q.pow(2, 62));
  EXPECT_EQ(residue_of(-0x1p400, q), q.neg(q.pow(2, 400)));
  EXPECT_EQ(residue_of(3 * 0x1p300, q), q.mul(3, q.pow(2, 300)));
}

TEST(Residues, OfSmallSecrets) {
  const ring::Modulus q(kPrime);
  std::vector<std::int8_t> values;
  for (int v = -128; v < 128; ++v) values.push_back(static_cast<std::int8_t>(v));
  std::vector<std::uint64_t> residues(values.size());
  residues_of_small(residues.data(), values.data(), values.size(), q);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(residues[i], q.from_signed(values[i]));
}

// Integers below the product of three primes, from residues modulo these, reach another prime exactly and centred.
TEST(Residues, BaseConversionIsExactAndCentred) {
  const auto context = Context::create(support::spec("n14_alpha3"));
  const BaseConversion& conversion = context->constants().digit(0, 3);
  ASSERT_EQ(conversion.sources, (std::vector{LimbIndex(0), LimbIndex(1), LimbIndex(2)}));
  const std::size_t n = 4096;
  const LimbIndex target(5);
  const ring::Modulus& t = context->prime(target);
  std::mt19937_64 random(5);
  ring::Buffer rows[3] = {ring::Buffer(n), ring::Buffer(n), ring::Buffer(n)};
  ring::Buffer quotient(n), converted(n);
  std::vector<std::uint64_t> expected(n);
  for (std::size_t i = 0; i < n; ++i) {
    // x = a + b q_0 + c q_0 q_1, |c| < q_2 / 2 - 1: away from the tie at half the product.
    const std::uint64_t a = random() % context->prime(LimbIndex(0)).value(),
                        b = random() % context->prime(LimbIndex(1)).value();
    const auto half = static_cast<std::int64_t>(context->prime(LimbIndex(2)).value() / 2 - 1);
    const std::int64_t c = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(2 * half)) - half;
    const auto value = [&](const ring::Modulus& q) {
      const std::uint64_t q0 = q.reduce(context->prime(LimbIndex(0)).value()),
                          q1 = q.reduce(context->prime(LimbIndex(1)).value());
      const std::uint64_t high = q.add(q.reduce(b), q.mul(q1, q.from_signed(c)));
      return q.add(q.reduce(a), q.mul(q0, high));
    };
    for (const LimbIndex k : conversion.sources) {
      const ring::Modulus& q = context->prime(k);
      rows[k].data()[i] = q.mul(value(q), conversion.hat_inverse[k]);
    }
    expected[i] = value(t);
  }
  const std::uint64_t* sources[4] = {rows[0].data(), rows[1].data(), rows[2].data(), quotient.data()};
  ring::kernels().rounded_quotient(quotient.data(), sources, conversion.reciprocal.data(), 3, n);
  std::uint64_t* const row = converted.data();
  const std::uint64_t* const factors = conversion.factors[target].data();
  const ring::Modulus* const modulus = &t;
  ring::kernels().base_convert(&row, sources, &factors, &modulus, 1, 4, n);
  for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(converted.data()[i], expected[i]) << i;
}

}  // namespace
}  // namespace thex::ckks
