#include "thex/circuit/run/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <initializer_list>
#include <set>
#include <thread>

#include "tests/support/error_code.h"
#include "tests/support/no_more_threads.h"
#include "thex/base/error.h"

namespace thex::circuit {
namespace {

using support::code_of;
using State = Scheduler::State;
using Tasks = std::vector<std::size_t>;

struct Spec {
  Tasks after = {};
  int urgency = 0;
  bool gate = false;
};

TaskOrder order_of(std::initializer_list<Spec> specs) {
  TaskOrder order;
  for (const Spec& spec : specs) order.add(spec.urgency, spec.after, spec.gate);
  return order;
}

TEST(TaskOrder, RefusesWhatCannotBegin) {
  EXPECT_EQ(code_of([] { order_of({{{0}}}); }), ErrorCode::internal) << "a task cannot wait for itself";
  EXPECT_EQ(code_of([] { order_of({{}, {{2}}, {}}); }), ErrorCode::internal);
}

TEST(Scheduler, RunsInOrderOfUrgencyAndDependence) {
  const TaskOrder order = order_of({{{}, 5}, {{}, 1}, {{1}, 9}, {{1, 1}, 0}});
  Scheduler scheduler(order);
  Tasks ran;
  EXPECT_TRUE(scheduler.runnable());
  EXPECT_EQ(scheduler.advance(1, [&](std::size_t t, const ParallelFor&) { ran.push_back(t); }), State::finished);
  EXPECT_EQ(ran, (Tasks{1, 3, 0, 2}));
  EXPECT_FALSE(scheduler.runnable());
}

TEST(Scheduler, SharesTheWorkOfATask) {
  for (const int threads : {1, 2, 3}) {
    std::vector<std::atomic<int>> done(100);
    const TaskOrder order = order_of({{}, {}, {{0}}});
    Scheduler scheduler(order);
    const auto body = [&](std::size_t, const ParallelFor& parallel) {
      // Loops within loops, and one that throws.
      parallel(10, [&](std::size_t i) { parallel(10, [&](std::size_t j) { ++done[10 * i + j]; }); });
      EXPECT_THROW(parallel(4,
                            [](std::size_t i) {
                              if (i == 2) throw Error(ErrorCode::internal, "piece");
                            }),
                   Error);
    };
    EXPECT_EQ(scheduler.advance(threads, body), State::finished);
    for (const std::atomic<int>& d : done) EXPECT_EQ(d, 3) << threads << " threads";
  }
}

TEST(Scheduler, StopsAtTheFirstExceptionAndRemembersIt) {
  const TaskOrder order = order_of({{}, {{0}}});
  Scheduler scheduler(order);
  bool ran = false;
  const auto body = [&](std::size_t task, const ParallelFor&) {
    if (task == 0) throw Error(ErrorCode::network, "gone");
    ran = true;
  };
  EXPECT_EQ(code_of([&] { scheduler.advance(2, body); }), ErrorCode::network);
  EXPECT_EQ(code_of([&] { scheduler.advance(2, body); }), ErrorCode::network);
  EXPECT_FALSE(ran);
  EXPECT_FALSE(scheduler.runnable());
}

TEST(Scheduler, ReturnsWhenOnlyGatesAreLeft) {
  for (const int threads : {1, 3}) {
    const TaskOrder order = order_of({{{}, 0, true}, {}, {{0}}, {{1}}, {{2, 3}, 0, true}});
    Scheduler scheduler(order);
    std::mutex mutex;
    std::set<std::size_t> ran;
    const auto body = [&](std::size_t task, const ParallelFor&) {
      const std::lock_guard lock(mutex);
      ran.insert(task);
    };
    EXPECT_EQ(scheduler.advance(threads, body), State::waiting);
    EXPECT_EQ(ran, (std::set<std::size_t>{1, 3})) << "what needs no gate has run";
    EXPECT_FALSE(scheduler.runnable());
    scheduler.open(4);
    EXPECT_FALSE(scheduler.runnable()) << "it waits for other tasks too";
    EXPECT_EQ(scheduler.advance(threads, body), State::waiting);
    scheduler.open(0);
    EXPECT_TRUE(scheduler.runnable());
    EXPECT_EQ(scheduler.advance(threads, body), State::finished);
    EXPECT_EQ(ran.size(), order.size());
    EXPECT_EQ(scheduler.advance(threads, body), State::finished);
  }
}

TEST(Scheduler, TakesUpAGateThatOpensMeanwhile) {
  for (const int threads : {1, 2}) {
    const TaskOrder order = order_of({{}, {{}, 0, true}});
    Scheduler scheduler(order);
    std::atomic<int> ran = 0;
    const auto body = [&](std::size_t task, const ParallelFor&) {
      ++ran;
      if (task == 0) std::thread([&] { scheduler.open(1); }).join();
    };
    EXPECT_EQ(scheduler.advance(threads, body), State::finished);
    EXPECT_EQ(ran, 2);
  }
}

// Gates that open at any moment, also while an advance() returns.
TEST(Scheduler, LosesNoGate) {
  constexpr std::size_t kGates = 200;
  TaskOrder order;
  for (std::size_t i = 0; i < kGates; ++i) order.add(0, {}, true);
  Scheduler scheduler(order);
  std::atomic<std::size_t> ran = 0;
  const auto body = [&](std::size_t, const ParallelFor&) { ++ran; };
  std::jthread opener([&] {
    for (std::size_t i = 0; i < kGates; ++i) {
      scheduler.open(i);
      std::this_thread::yield();
    }
  });
  while (scheduler.advance(2, body) == State::waiting) std::this_thread::yield();
  EXPECT_EQ(ran, kGates);
}

TEST(Scheduler, EndsBetweenTasksWhenItIsCancelled) {
  for (const int threads : {1, 2}) {
    const TaskOrder order = order_of({{}, {{0}}});
    Scheduler scheduler(order);
    std::stop_source source;
    std::atomic<int> pieces = 0;
    bool ran = false;
    const auto body = [&](std::size_t task, const ParallelFor& parallel) {
      if (task == 1) ran = true;
      source.request_stop();
      if (threads > 1) parallel(1000, [&](std::size_t) { ++pieces; });
    };
    EXPECT_EQ(code_of([&] { scheduler.advance(threads, body, source.get_token()); }), ErrorCode::cancelled);
    EXPECT_FALSE(ran);
    EXPECT_EQ(pieces, 0) << "nor is a piece of a task begun";
    EXPECT_EQ(code_of([&] { scheduler.advance(threads, body); }), ErrorCode::cancelled);
  }
}

TEST(Scheduler, BeginsNothingWhenItWasCancelledBefore) {
  const TaskOrder order = order_of({{}});
  Scheduler scheduler(order);
  std::stop_source source;
  source.request_stop();
  bool ran = false;
  const auto body = [&](std::size_t, const ParallelFor&) { ran = true; };
  EXPECT_EQ(code_of([&] { scheduler.advance(2, body, source.get_token()); }), ErrorCode::cancelled);
  EXPECT_FALSE(ran);
}

// A thread that waits for others to finish is woken.
TEST(Scheduler, IsCancelledWhileThreadsWait) {
  const TaskOrder order = order_of({{}, {{0}}});
  Scheduler scheduler(order);
  std::stop_source source;
  const auto body = [&](std::size_t, const ParallelFor&) { std::thread([&] { source.request_stop(); }).join(); };
  EXPECT_EQ(code_of([&] { scheduler.advance(3, body, source.get_token()); }), ErrorCode::cancelled);
}

TEST(Scheduler, RefusesASecondAdvanceMeanwhile) {
  const TaskOrder order = order_of({{}});
  Scheduler scheduler(order);
  const auto body = [&](std::size_t, const ParallelFor&) {
    EXPECT_EQ(code_of([&] { scheduler.advance(1, [](std::size_t, const ParallelFor&) {}); }), ErrorCode::internal);
  };
  EXPECT_EQ(scheduler.advance(1, body), State::finished);
}

TEST(Scheduler, GoesOnWithTheThreadsThatThereAre) {
  const support::NoMoreThreads none;
  ASSERT_THROW(std::thread([] {}).join(), std::system_error);
  const TaskOrder order = order_of({{}, {{0}}});
  Scheduler scheduler(order);
  std::atomic<int> pieces = 0;
  const auto body = [&](std::size_t, const ParallelFor& parallel) { parallel(8, [&](std::size_t) { ++pieces; }); };
  EXPECT_EQ(scheduler.advance(4, body), State::finished);
  EXPECT_EQ(pieces, 16);
  std::atomic<int> looped = 0;
  parallel_for(5, 4, [&](std::size_t) { ++looped; });
  EXPECT_EQ(looped, 5);
}

}  // namespace
}  // namespace thex::circuit
