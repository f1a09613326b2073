#include "thex/server/fair_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace thex::server {
namespace {

const auto kAny = [](const std::string&) { return true; };

std::string drain(FairQueue<std::string>& queue) {
  std::string order;
  while (const auto item = queue.pop(kAny)) order += *item + " ";
  return order;
}

TEST(FairQueue, PrincipalsTakeTurns) {
  FairQueue<std::string> queue;
  for (const char* item : {"a1", "a2", "a3", "a4"}) queue.push("a", "", item);
  queue.push("b", "", "b1");
  queue.push("c", "", "c1");
  queue.push("c", "", "c2");
  EXPECT_EQ(queue.size(), 7u);
  EXPECT_EQ(drain(queue), "a1 b1 c1 a2 c2 a3 a4 ");
  EXPECT_EQ(queue.size(), 0u);
}

TEST(FairQueue, FlowsOfOnePrincipalTakeTurnsWithinItsTurns) {
  FairQueue<std::string> queue;
  for (const char* item : {"x1", "x2", "x3"}) queue.push("a", "x", item);
  queue.push("a", "y", "y1");
  queue.push("b", "z", "z1");
  queue.push("b", "z", "z2");
  EXPECT_EQ(drain(queue), "x1 z1 y1 z2 x2 x3 ");
}

TEST(FairQueue, WhatIsPutInFrontComesBeforeItsOwnFlowAlone) {
  FairQueue<std::string> queue;
  queue.push("a", "", "a1");
  queue.push("b", "", "b1");
  queue.push_front("b", "", "b0");
  EXPECT_EQ(drain(queue), "a1 b0 b1 ");
}

TEST(FairQueue, WhatMayNotBeDoneIsPassed) {
  FairQueue<std::string> queue;
  queue.push("a", "", "a1");
  queue.push("a", "", "a2");
  queue.push("b", "", "b1");
  const auto not_a1 = [](const std::string& item) { return item != "a1"; };
  EXPECT_EQ(queue.pop(not_a1), "b1") << "a2 waits behind a1";
  EXPECT_EQ(queue.pop(not_a1), std::nullopt);
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(drain(queue), "a1 a2 ");
}

TEST(FairQueue, ItemsCanBeTakenOut) {
  FairQueue<std::string> queue;
  for (const char* item : {"a1", "a2"}) queue.push("a", "", item);
  queue.push("b", "", "b1");
  EXPECT_EQ(queue.remove([](const std::string& item) { return item == "a1" || item == "b1"; }).size(), 2u);
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(drain(queue), "a2 ");
}

// Whatever others ask for, a principal with one item at a time waits for at most one item of each of the others.
TEST(FairQueue, NobodyWaitsForMoreThanOneTurnOfEachOther) {
  FairQueue<std::string> queue;
  std::mt19937 random(5);
  int waited = 0, turns = 0;
  queue.push("honest", "", "honest");
  for (int step = 0; step < 3000; ++step) {
    for (unsigned i = random() % 4; i > 0; --i) queue.push("other" + std::to_string(random() % 5), "", "other");
    const auto item = queue.pop(kAny);
    ASSERT_TRUE(item);
    if (*item == "honest") {
      queue.push("honest", "", "honest");
      waited = 0;
      ++turns;
    } else {
      ASSERT_LE(++waited, 5);
    }
  }
  EXPECT_GE(turns, 500);
}

}  // namespace
}  // namespace thex::server
