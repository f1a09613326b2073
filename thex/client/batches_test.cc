#include "thex/client/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "thex/base/error.h"

namespace thex::client {
namespace {

using Queries = std::vector<std::vector<std::size_t>>;

// Buckets of 16, 32 and 64 tokens; 4 sentences of 16 and 2 of 32 in a batch.
encoder::InferencePlan plan_with(const std::vector<double>& seconds) {
  encoder::InferencePlan plan;
  plan.shapes = {{16}, {32}, {64}, {16, 4}, {32, 2}};
  for (const double s : seconds) {
    plan.circuits.program_plans.emplace_back();
    plan.circuits.program_plans.back().estimated_seconds = s;
  }
  return plan;
}

TEST(Batches, FullOnesThenWhatIsCheapest) {
  const encoder::InferencePlan plan = plan_with({1, 2, 4, 2.5, 3});
  EXPECT_EQ(make_batches(plan, {}), Queries{});
  EXPECT_EQ(make_batches(plan, std::vector{5, 16, 3, 9}), (Queries{{0, 1, 2, 3}}));
  EXPECT_EQ(make_batches(plan, std::vector{5, 5}), (Queries{{0}, {1}})) << "two alone are cheaper than a batch";
  EXPECT_EQ(make_batches(plan, std::vector{5, 5, 5}), (Queries{{0, 1, 2}})) << "three are not";
  EXPECT_EQ(make_batches(plan, std::vector{30, 5, 60}), (Queries{{1}, {0}, {2}}))
      << "a place in the longer batch costs as much as a query of its own";
  EXPECT_EQ(make_batches(plan_with({1, 2, 4, 2.5, 2.5}), std::vector{30, 5}), (Queries{{0, 1}}))
      << "a free place of the next length";
  EXPECT_EQ(make_batches(plan, std::vector{64, 64}), (Queries{{0}, {1}})) << "no batches of that length";
  EXPECT_THROW(make_batches(plan, std::vector{65}), Error);
}

TEST(Batches, EverySentenceIsInOneThatHoldsIt) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    std::uniform_real_distribution<double> cost(0.5, 4);
    const encoder::InferencePlan plan =
        plan_with({cost(random), cost(random), cost(random), cost(random), cost(random)});
    std::vector<int> lengths(random() % 40);
    for (int& n : lengths) n = 1 + static_cast<int>(random() % 64);
    std::vector<int> seen(lengths.size(), 0);
    for (const auto& query : make_batches(plan, lengths)) {
      int longest = 0;
      for (const std::size_t i : query) ++seen[i], longest = std::max(longest, lengths[i]);
      EXPECT_NO_THROW(plan.batch_program_for(query.size(), longest));
    }
    EXPECT_EQ(seen, std::vector<int>(lengths.size(), 1));
  }
}

}  // namespace
}  // namespace thex::client
