#include "thex/ckks/modulus_chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace thex::ckks {
namespace {

int sum(const std::vector<int>& bits) { return std::accumulate(bits.begin(), bits.end(), 0); }

std::vector<ChainRequest> requests() {
  std::vector<ChainRequest> all;
  for (const int log_n : {13, 14, 15, 16})
    for (const int depth : {0, 1, 4, 6, 11, 20})
      for (const int integer_bits : {3, 8, 12})
        all.push_back(
            {.log_n = log_n, .depth = depth, .integer_bits = integer_bits, .min_log_scale = 33, .max_log_scale = 40});
  return all;
}

TEST(ModulusChain, IsSecureAndHasWhatWasAsked) {
  std::size_t seen = 0;
  for (const ChainRequest& request : requests()) {
    for (const ContextSpec& chain : modulus_chains(request)) {
      ++seen;
      EXPECT_LE(sum(chain.q_bits) + sum(chain.p_bits), max_log_qp_128(request.log_n));
      EXPECT_EQ(chain.q_bits.size(), request.depth.limbs());
      EXPECT_GE(chain.log_scale, request.min_log_scale);
      EXPECT_LE(chain.log_scale, request.max_log_scale);
      EXPECT_GE(chain.q_bits[0], chain.log_scale + request.integer_bits);
      // P is above every digit: the first has the largest prime.
      const auto digit = static_cast<std::ptrdiff_t>(std::min(chain.digit_limbs, chain.q_bits.size()));
      EXPECT_GT(sum(chain.p_bits), std::accumulate(chain.q_bits.begin(), chain.q_bits.begin() + digit, 0));
      for (const int bits : chain.p_bits) EXPECT_LE(bits, ring::kFastPrimeBits);
    }
  }
  EXPECT_GT(seen, 100u);
}

// Two primes below a fast one's size where they have room, else wider ones, never more than primes may have.
TEST(ModulusChain, HasRoomForMasks) {
  for (const int mask_bits : {40, 46, 55, 60}) {
    const auto chain = modulus_chain(
        {.log_n = 15, .depth = 7, .integer_bits = 6, .min_log_scale = 35, .max_log_scale = 35, .mask_bits = mask_bits},
        2);
    ASSERT_TRUE(chain) << mask_bits;
    EXPECT_GE(chain->q_bits[0] + chain->q_bits[1], 35 + mask_bits);
    EXPECT_GE(chain->q_bits[0], 41);
    EXPECT_EQ(chain->wide_q1, chain->q_bits[1] > 35);
    EXPECT_EQ(chain->wide_q1, mask_bits > 41);
    EXPECT_LE(chain->q_bits[0], ring::kMaxPrimeBits);
    EXPECT_GT(sum(chain->p_bits), chain->q_bits[0] + chain->q_bits[1]);
    EXPECT_EQ(Context::create(*chain)->scale(0) == Context::create(*chain)->scale(1), chain->wide_q1);
  }
  EXPECT_FALSE(modulus_chain(
      {.log_n = 15, .depth = 7, .integer_bits = 6, .min_log_scale = 35, .max_log_scale = 35, .mask_bits = 66}, 2));
}

TEST(ModulusChain, CanBeBuilt) {
  for (const ContextSpec& chain :
       modulus_chains({.log_n = 14, .depth = 6, .integer_bits = 8, .min_log_scale = 33, .max_log_scale = 40})) {
    const ContextPtr context = Context::create(chain);
    EXPECT_EQ(context->max_level(), Level(6));
  }
}

TEST(ModulusChain, HasTheLargestScale) {
  // 42 + 6 * 37 + 155 = 419 bits; with scales of 2^38 they were 43 + 6 * 38 + 159 = 430, the limit itself.
  const auto known =
      modulus_chain({.log_n = 14, .depth = 6, .integer_bits = 5, .min_log_scale = 36, .max_log_scale = 46}, 4);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->q_bits, (std::vector<int>{42, 37, 37, 37, 37, 37, 37}));
  EXPECT_EQ(known->p_bits, (std::vector<int>{38, 39, 39, 39}));
  EXPECT_EQ(max_log_qp_128(14), 430);

  std::size_t at_the_table = 0;
  for (ChainRequest request : requests()) {
    for (int alpha = 1; alpha <= request.depth.number() + 1; ++alpha) {
      const auto chain = modulus_chain(request, alpha);
      if (!chain || chain->log_scale >= request.max_log_scale) continue;
      if (chain->log_scale + request.integer_bits >= ring::kFastPrimeBits) continue;
      ++at_the_table;
      ChainRequest larger = request;
      larger.min_log_scale = chain->log_scale + 1;
      EXPECT_FALSE(modulus_chain(larger, alpha));
    }
  }
  EXPECT_GT(at_the_table, 10u);
}

TEST(ModulusChain, LeavesTheRestToTheLowestPrime) {
  const ChainRequest request{.log_n = 14, .depth = 3, .integer_bits = 3, .min_log_scale = 33, .max_log_scale = 36};
  const auto narrow = modulus_chain(request, 1);
  const auto all = modulus_chains(request);
  ASSERT_TRUE(narrow && !all.empty());
  EXPECT_EQ(narrow->q_bits[0], 39);
  EXPECT_EQ(all[0].digit_limbs, 1u);
  EXPECT_GT(all[0].q_bits[0], 39);
  EXPECT_EQ(all[0].p_bits.size(), narrow->p_bits.size());
}

TEST(ModulusChain, NoneWhereTheLeastScaleDoesNotFit) {
  const ChainRequest deep{.log_n = 13, .depth = 9, .integer_bits = 4, .min_log_scale = 33, .max_log_scale = 40};
  EXPECT_FALSE(modulus_chain(deep, 1));
  EXPECT_TRUE(modulus_chains(deep).empty());
  ChainRequest fits = deep;
  fits.log_n = 15;
  EXPECT_FALSE(modulus_chains(fits).empty());
}

}  // namespace
}  // namespace thex::ckks
