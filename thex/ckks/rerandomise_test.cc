#include "thex/ckks/rerandomise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/ckks.h"

namespace thex::ckks {
namespace {

using support::expect_error;
using support::Party;

std::size_t equal_residues(const ring::Poly& a, const ring::Poly& b) {
  std::size_t equal = 0;
  for (std::size_t l = 0; l < a.limbs(); ++l)
    for (std::size_t i = 0; i < a.n(); ++i) equal += a.limb(l)[i] == b.limb(l)[i];
  return equal;
}

// The error of an encryption by a public key, as circuit/operation_noise.h has it, for each encryption of zero.
double deviation_of(const Context& context, std::size_t count, double scale) {
  const auto n = static_cast<double>(context.n());
  const double variance = ring::kSigma * ring::kSigma * (1 + n * 2 / 3 + static_cast<double>(count) * n * 2 / 3);
  return std::sqrt(n / 2 * variance) / scale;
}

class Rerandomise : public ::testing::TestWithParam<support::NamedSpec> {
 protected:
  Party& party = support::party(GetParam().name);
};

TEST_P(Rerandomise, KeepsTheValueAndMakesBothHalvesNew) {
  const Context& context = *party.context;
  const auto slots = support::random_slots(context.slots(), 7);
  for (const Level level : {0, 1}) {
    const std::size_t held = zero_encryptions(context, party.keys, level);
    if (held == 0) continue;
    for (const std::size_t count : {std::size_t{1}, std::min<std::size_t>(held, 5)}) {
      const Ciphertext before = party.encrypt(slots, level);
      Ciphertext after = before;
      rerandomise(context, after, party.keys, count, party.prng);
      EXPECT_EQ(after.level, level);
      EXPECT_EQ(after.scale, before.scale);
      for (std::size_t p = 0; p < 2; ++p) EXPECT_LT(equal_residues(before.parts[p], after.parts[p]), 4u);
      const auto got = party.decrypt(after), had = party.decrypt(before);
      double squares = 0;
      for (std::size_t i = 0; i < got.size(); ++i) squares += std::norm(got[i] - had[i]) / 2;
      const double expected = deviation_of(context, count, before.scale);
      EXPECT_NEAR(std::sqrt(squares / static_cast<double>(got.size())), expected, 0.1 * expected);
    }
  }
}

// Digits beyond those of the value's level, in every key that reaches so far.
TEST_P(Rerandomise, CountsTheEncryptionsOfZero) {
  const Context& context = *party.context;
  const Level top = context.max_level();
  KeyRequirements required;
  required.rotations = {{1, top}, {-1, top}, {3, top}, {4, top}, {-4, top}, {8, top}};
  required.relinearization_level = top;
  required.conjugation_level = top;
  for (Level level = 0; level <= top; ++level) {
    const std::size_t held = zero_encryptions(context, party.keys, level);
    EXPECT_EQ(held, 8 * (context.digit_count(top) - context.digit_count(level)));
    EXPECT_EQ(zero_encryptions(context, required, level), held);
    Ciphertext value = party.encrypt(support::random_slots(16, 1), level);
    expect_error(ErrorCode::keys, {"rerandomise", std::to_string(held)},
                 [&] { rerandomise(context, value, party.keys, held + 1, party.prng); });
  }
  EXPECT_EQ(zero_encryptions(context, EvaluationKeys{}, 0), 0u);
}

INSTANTIATE_TEST_SUITE_P(Parameters, Rerandomise, ::testing::ValuesIn(support::specs()), support::name_of);

}  // namespace
}  // namespace thex::ckks
