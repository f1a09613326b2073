#include "thex/ckks/binding.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/ckks.h"

namespace thex::ckks {
namespace {

using support::expect_error;
using support::identical;
using support::Party;

constexpr Binding kQuery = {1, 2, 3}, kOtherQuery = {1, 2, 4};

Ciphertext encrypted(Party& p, Level level) { return p.encrypt(support::Slots(p.context->slots(), 0.75), level); }

double root_mean_square(const Party& p, const Ciphertext& c) {
  double sum = 0;
  for (const support::Complex& slot : p.decrypt(c)) sum += slot.real() * slot.real();
  return std::sqrt(sum / static_cast<double>(p.context->slots()));
}

TEST(Binding, ComesOffAgainWithNothingChanged) {
  Party& p = support::party("n13_alpha1");
  for (const Level level : {Level(0), Level(2)}) {
    const Ciphertext plain = encrypted(p, level);
    const Ciphertext bound = bind_ciphertext(*p.context, plain, kQuery, 7);
    EXPECT_FALSE(identical(bound, plain));
    EXPECT_EQ(bound.level, plain.level);
    EXPECT_EQ(bound.scale, plain.scale);
    EXPECT_TRUE(identical(unbind_ciphertext(*p.context, bound, kQuery, 7), plain));
    EXPECT_NEAR(root_mean_square(p, unbind_ciphertext(*p.context, bound, kQuery, 7)), 0.75, 1e-3);
  }
}

// What belongs to another query, or to another place of the same one, is uniform: slots far beyond any that are sent.
TEST(Binding, WhatBelongsElsewhereIsUniform) {
  Party& p = support::party("n13_alpha1");
  for (const Level level : {Level(0), Level(2)}) {
    const Ciphertext bound = bind_ciphertext(*p.context, encrypted(p, level), kQuery, 7);
    double modulus = 1;
    for (const LimbIndex l : level.primes()) modulus *= static_cast<double>(p.context->prime(l).value());
    // The mean square of a slot is N times that of a coefficient, uniform between -q/2 and q/2; of a real part half.
    const double uniform = modulus / p.context->scale(level) * std::sqrt(static_cast<double>(p.context->n()) / 24);
    for (const Ciphertext& other :
         {bound, unbind_ciphertext(*p.context, bound, kOtherQuery, 7), unbind_ciphertext(*p.context, bound, kQuery, 8)})
      EXPECT_NEAR(root_mean_square(p, other), uniform, 0.1 * uniform);
  }
}

TEST(Binding, RefusesWhatIsNotRelinearised) {
  Party& p = support::party("n13_alpha1");
  Ciphertext three = encrypted(p, 0);
  three.parts.push_back(three.parts[1]);
  expect_error(ErrorCode::crypto, {"bind_ciphertext", "3 parts"},
               [&] { bind_ciphertext(*p.context, three, kQuery, 0); });
  expect_error(ErrorCode::crypto, {"unbind_ciphertext", "3 parts"},
               [&] { unbind_ciphertext(*p.context, three, kQuery, 0); });
}

}  // namespace
}  // namespace thex::ckks
