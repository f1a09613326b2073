#include "thex/server/budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace thex::server {
namespace {

TEST(Budget, AdmitsUpToItsLimitAndTakesBackWhatGoes) {
  const Budget budget(100, 60);
  auto run = budget.reserve(Use::runs, 50);
  ASSERT_TRUE(run);
  EXPECT_FALSE(budget.reserve(Use::runs, 51));
  EXPECT_FALSE(budget.reserve(Use::runs, ~std::size_t{0})) << "no overflow";
  {
    const auto rest = budget.reserve(Use::queries, 50);
    EXPECT_TRUE(rest);
    EXPECT_EQ(budget.used(), 100u);
    EXPECT_FALSE(budget.reserve(Use::queries, 1));
  }
  EXPECT_EQ(budget.used(), 50u);
  run->release();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Budget, KeysHaveALimitOfTheirOwn) {
  const Budget budget(100, 60);
  const auto keys = budget.reserve(Use::keys, 60);
  EXPECT_TRUE(keys);
  EXPECT_FALSE(budget.reserve(Use::keys, 1));
  EXPECT_TRUE(budget.reserve(Use::uploads, 40));
  EXPECT_FALSE(budget.would_fit(Use::keys, 50));
  EXPECT_TRUE(budget.would_fit(Use::keys, 50, 50)) << "when so many are given back first";
  EXPECT_EQ(budget.used(Use::keys), 60u);
}

TEST(Budget, ReservationsGrowMoveAndSettle) {
  const Budget budget(100, 100);
  Reservation a = std::move(*budget.reserve(Use::uploads, 0));
  EXPECT_TRUE(a.grow(70));
  EXPECT_FALSE(a.grow(31));
  EXPECT_EQ(a.bytes(), 70u);
  Reservation b = std::move(a);
  EXPECT_EQ(a.bytes(), 0u);
  EXPECT_FALSE(a.grow(1)) << "an empty one cannot grow";
  b.settle(120);
  EXPECT_EQ(budget.used(), 120u) << "what is there already counts, beyond the limit too";
  EXPECT_FALSE(budget.reserve(Use::runs, 0)) << "and then nothing is admitted";
  b.settle(10);
  Reservation c = std::move(*budget.reserve(Use::uploads, 5));
  EXPECT_TRUE(b.absorb(std::move(c)));
  EXPECT_EQ(b.bytes(), 15u);
  Reservation other = std::move(*budget.reserve(Use::runs, 5));
  EXPECT_FALSE(b.absorb(std::move(other)));
  EXPECT_EQ(budget.used(), 20u);
  b = std::move(other);
  EXPECT_EQ(budget.used(), 5u);
}

TEST(Budget, OutlivedByWhatWasReserved) {
  Reservation kept;
  {
    const Budget budget(10, 10);
    kept = std::move(*budget.reserve(Use::answers, 10));
  }
  kept.release();
  EXPECT_EQ(kept.bytes(), 0u);
}

TEST(Budget, IsThreadSafe) {
  const Budget budget(1000, 1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&budget] {
      for (int i = 0; i < 2000; ++i) {
        auto r = budget.reserve(Use::runs, 300);
        if (r) r->grow(30);
        EXPECT_LE(budget.used(), 1000u);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace thex::server
