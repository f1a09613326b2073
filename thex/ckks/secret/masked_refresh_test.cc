#include "thex/ckks/masked_refresh.h"

#include <gtest/gtest.h>

#include <cmath>

#include "thex/base/error.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"

namespace thex::ckks {
namespace {

class MaskedRefresh : public ::testing::Test {
 protected:
  ContextPtr context =
      Context::create({.log_n = 13, .q_bits = {45, 36, 36, 36}, .p_bits = {46}, .digit_limbs = 1, .log_scale = 36});
  ring::Prng prng{ring::Seed{5}};
  secret::SecretKey key = secret::SecretKey::generate(context, prng);
  EvaluationKeys keys = secret::make_evaluation_keys(key, {.relinearization_level = 2}, prng);
  Encoder encoder{context};
  Evaluator evaluator{context};
  std::vector<double> values = [&] {
    std::vector<double> v(context->slots());
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = 20 * std::sin(0.37 * static_cast<double>(i));
    return v;
  }();
  Ciphertext encrypted(Level level) {
    return evaluator.expand(secret::encrypt(key, encoder.encode(values, level, context->scale(level)), prng));
  }
};

TEST_F(MaskedRefresh, RaisesTheLevelAndKeepsTheValue) {
  const MaskedValue m = mask_for_refresh(*context, encrypted(1), 3, keys, prng);
  const Plaintext seen = secret::decrypt(key, m.masked);
  const Ciphertext fresh = evaluator.expand(secret::encrypt(key, lift(*context, seen, 3), prng));
  const Ciphertext out = unmask(*context, fresh, m.mask);
  EXPECT_EQ(out.level, 3);
  EXPECT_EQ(out.scale, context->scale(1));
  const auto got = encoder.decode_real(secret::decrypt(key, out));
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], values[i], 1e-5);
  // It really has its levels: multiply twice.
  Ciphertext x = evaluator.rescale(evaluator.mul_plain(out, encoder.encode(std::vector<double>{0.5}, 3, 0x1p36)));
  x = evaluator.rescale(evaluator.mul_plain(x, encoder.encode(std::vector<double>{0.5}, 2, 0x1p36)));
  const auto quarter = encoder.decode_real(secret::decrypt(key, x));
  for (std::size_t i = 0; i < quarter.size(); ++i) ASSERT_NEAR(quarter[i], values[i] / 4, 1e-4);
}

TEST_F(MaskedRefresh, WhatTheClientSeesIsFarFromTheValue) {
  const auto seen =
      encoder.decode_real(secret::decrypt(key, mask_for_refresh(*context, encrypted(1), 2, keys, prng).masked));
  double correlation = 0, norm_seen = 0, norm_value = 0;
  for (std::size_t i = 1; i < seen.size(); ++i) {
    correlation += seen[i] * values[i];
    norm_seen += seen[i] * seen[i];
    norm_value += values[i] * values[i];
  }
  EXPECT_GT(std::sqrt(norm_seen / static_cast<double>(seen.size())), 1e9) << "slots are drowned in the mask";
  EXPECT_LT(std::abs(correlation) / std::sqrt(norm_seen * norm_value), 0.1);
}

TEST_F(MaskedRefresh, MasksAreNeverTheSame) {
  const Ciphertext c = encrypted(1);
  const MaskedValue a = mask_for_refresh(*context, c, 2, keys, prng), b = mask_for_refresh(*context, c, 2, keys, prng);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < context->n(); ++i) equal += a.mask.limb(0)[i] == b.mask.limb(0)[i];
  EXPECT_LT(equal, 3u);
}

// What the circuit left of the second half is gone too.
TEST_F(MaskedRefresh, BothHalvesAreNew) {
  const Ciphertext c = encrypted(1);
  const MaskedValue m = mask_for_refresh(*context, c, 2, keys, prng);
  for (std::size_t p = 0; p < 2; ++p)
    for (std::size_t l = 0; l < 2; ++l) {
      std::size_t equal = 0;
      for (std::size_t i = 0; i < context->n(); ++i) equal += m.masked.parts[p].limb(l)[i] == c.parts[p].limb(l)[i];
      EXPECT_LT(equal, 3u);
    }
}

TEST_F(MaskedRefresh, RefusesPrimesWithoutRoomForAMask) {
  double bits = 0;
  for (const LimbIndex l : kRefreshLevel.primes()) bits += std::log2(static_cast<double>(context->prime(l).value()));
  EXPECT_NEAR(refresh_mask_bits(*context), bits, 1e-3);
  const auto refused = [](const std::vector<int>& q_bits) {
    const ContextPtr narrow =
        Context::create({.log_n = 12, .q_bits = q_bits, .p_bits = {36}, .digit_limbs = 1, .log_scale = 26});
    try {
      refresh_mask_bits(*narrow);
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::crypto);
      EXPECT_NE(std::string(e.what()).find("66 bits"), std::string::npos) << e.what();
    }
  };
  refused({34, 30});
  refused({34});
}

TEST_F(MaskedRefresh, RefusesOtherLevels) {
  EXPECT_THROW(mask_for_refresh(*context, encrypted(0), 2, keys, prng), Error);
  EXPECT_THROW(mask_for_refresh(*context, encrypted(2), 3, keys, prng), Error);
  EXPECT_THROW(mask_for_refresh(*context, encrypted(1), 4, keys, prng), Error);
  const MaskedValue m = mask_for_refresh(*context, encrypted(1), 2, keys, prng);
  EXPECT_THROW(unmask(*context, encrypted(1), m.mask), Error);
  EXPECT_THROW(lift(*context, secret::decrypt(key, encrypted(2)), 3), Error);
}

}  // namespace
}  // namespace thex::ckks
