#include "thex/ckks/binding.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/ckks.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"

namespace thex::ckks {
namespace {

using support::expect_error;
using support::identical;

constexpr Binding kQuery = {1, 2, 3}, kOtherQuery = {1, 2, 4};

struct Party {
  ContextPtr context =
      Context::create({.log_n = 13, .q_bits = {45, 36, 36}, .p_bits = {46}, .digit_limbs = 1, .log_scale = 36});
  ring::Prng prng{ring::Seed{3}};
  secret::SecretKey key = secret::SecretKey::generate(context, prng);
  Encoder encoder{context};
  Evaluator evaluator{context};

  Ciphertext encrypted(Level level) {
    const std::vector<double> values(context->slots(), 0.75);
    return evaluator.expand(secret::encrypt(key, encoder.encode_full(values, level, context->scale(level)), prng));
  }
  double root_mean_square(const Ciphertext& c) const {
    double sum = 0;
    for (const double x : encoder.decode_real(secret::decrypt(key, c))) sum += x * x;
    return std::sqrt(sum / static_cast<double>(context->slots()));
  }
};

TEST(Binding, ComesOffAgainWithNothingChanged) {
  Party p;
  for (const Level level : {Level(0), Level(2)}) {
    const Ciphertext plain = p.encrypted(level);
    const Ciphertext bound = bind_ciphertext(*p.context, plain, kQuery, 7);
    EXPECT_FALSE(identical(bound, plain));
    EXPECT_EQ(bound.level, plain.level);
    EXPECT_EQ(bound.scale, plain.scale);
    EXPECT_TRUE(identical(unbind_ciphertext(*p.context, bound, kQuery, 7), plain));
    EXPECT_NEAR(p.root_mean_square(unbind_ciphertext(*p.context, bound, kQuery, 7)), 0.75, 1e-3);
  }
}

// What belongs to another query, or to another place of the same one, is uniform: slots far beyond any that are sent.
TEST(Binding, WhatBelongsElsewhereIsUniform) {
  Party p;
  for (const Level level : {Level(0), Level(2)}) {
    const Ciphertext bound = bind_ciphertext(*p.context, p.encrypted(level), kQuery, 7);
    double modulus = 1;
    for (const LimbIndex l : level.primes()) modulus *= static_cast<double>(p.context->prime(l).value());
    // The mean square of a slot is N times that of a coefficient, uniform between -q/2 and q/2; of a real part half.
    const double uniform = modulus / p.context->scale(level) * std::sqrt(static_cast<double>(p.context->n()) / 24);
    for (const Ciphertext& other :
         {bound, unbind_ciphertext(*p.context, bound, kOtherQuery, 7), unbind_ciphertext(*p.context, bound, kQuery, 8)})
      EXPECT_NEAR(p.root_mean_square(other), uniform, 0.1 * uniform);
  }
}

TEST(Binding, RefusesWhatIsNotRelinearised) {
  Party p;
  Ciphertext three = p.encrypted(0);
  three.parts.push_back(three.parts[1]);
  expect_error(ErrorCode::crypto, {"bind_ciphertext", "3 parts"},
               [&] { bind_ciphertext(*p.context, three, kQuery, 0); });
  expect_error(ErrorCode::crypto, {"unbind_ciphertext", "3 parts"},
               [&] { unbind_ciphertext(*p.context, three, kQuery, 0); });
}

}  // namespace
}  // namespace thex::ckks
