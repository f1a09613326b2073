// The masks of a run (circuit/run/ckks_run.h) are in the memory of the process until the client's reply has come and no
// longer, and go with a run that is given up or cancelled: not in the pool, not on the heap, not in the dead part of
// the stack. A seam (support/refresh_seam.h) notes parts of every mask, disguised, and all writable memory is looked
// through for them.
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "tests/support/error_code.h"
#include "tests/support/local_parties.h"
#include "tests/support/memory_search.h"
#include "tests/support/refresh_seam.h"
#include "tests/support/slots_in_order.h"
#include "thex/circuit/planner.h"
#include "thex/circuit/run/ckks_run.h"

namespace thex::circuit {
namespace {

using State = CkksRun::State;

// x / 8, refreshed after the first halving and after the second.
Program twice_refreshed(std::size_t slots) {
  Builder b(slots);
  const PlainId half = b.plain({1, [](std::span<double> period) { period[0] = 0.5; }});
  Value x = b.client_step("in", {}, {support::slots_in_order(slots)}, slots)[0];
  for (int i = 0; i < 2; ++i) {
    const Value sent = b.multiply_plain(x, half);
    x = b.client_step("masked", {}, {}, 0, std::span(&sent, 1))[0];
  }
  return std::move(b).finish(b.multiply_plain(x, half), {0, 1, 2});
}

class MasksOfARun : public ::testing::Test {
 protected:
  MasksOfARun() : input_(plan_.programs[0].slots) {
    for (std::size_t i = 0; i < input_.size(); ++i) input_[i] = static_cast<double>(i % 89) / 89 - 0.3;
  }

  // Does what an OnStep does, on one thread.
  State advance(CkksRun& run, std::stop_token stop = {}) {
    return run.advance(
        1, [this](std::size_t, std::vector<ckks::Ciphertext> sent) { asked_ = std::move(sent); }, std::move(stop));
  }
  std::unique_ptr<CkksRun> begun() {
    auto run = std::make_unique<CkksRun>(parties_.circuit, parties_.keys);
    run->supply(0, parties_.first(input_));
    EXPECT_EQ(advance(*run), State::waiting);
    EXPECT_TRUE(is_found(noted_)) << "the search works";
    return run;
  }

  // Both places of it that were noted.
  bool is_found(int refresh) const {
    const std::vector<std::string> found = support::found_in_memory(needles_);
    return support::mentions(found, first_limb(refresh)) && support::mentions(found, last_limb(refresh));
  }
  bool is_gone(int refresh) const {
    const std::vector<std::string> found = support::found_in_memory(needles_);
    return !support::mentions(found, first_limb(refresh)) && !support::mentions(found, last_limb(refresh));
  }
  void expect_no_trace(int refreshes) const {
    EXPECT_EQ(noted_, refreshes);
    EXPECT_EQ(support::found_in_memory(needles_), std::vector<std::string>{});
  }

  const Plan plan_ =
      make_plan([](std::size_t slots) { return std::vector<Program>{twice_refreshed(slots)}; }, {.max_value = 60});
  const support::LocalParties parties_{plan_, 0, ring::Seed{9}};
  std::vector<double> input_;
  std::vector<ckks::Ciphertext> asked_;  // of the client, last

 private:
  static std::string first_limb(int refresh) { return "mask " + std::to_string(refresh) + ", first limb"; }
  static std::string last_limb(int refresh) { return "mask " + std::to_string(refresh) + ", last limb"; }
  void note(const ring::Poly& mask) {
    EXPECT_GE(mask.limbs(), 2u);
    ++noted_;
    // The first word of a free block is a link of the pool's.
    needles_.push_back(support::disguised(first_limb(noted_).c_str(), mask.limb(0) + 1));
    needles_.push_back(support::disguised(last_limb(noted_).c_str(), mask.limb(mask.limbs() - 1) + 64));
  }

  support::Needles needles_;
  int noted_ = 0;
  const support::RefreshSeam seam_{support::RefreshSeam::Look([this](const ring::Poly& mask) { note(mask); })};
};

TEST_F(MasksOfARun, AreGoneWhenTheyAreTakenOff) {
  {
    const std::unique_ptr<CkksRun> run = begun();
    run->supply(1, parties_.answer(1, asked_));
    EXPECT_EQ(advance(*run), State::waiting);
    EXPECT_TRUE(is_gone(1)) << "before the query has ended";
    EXPECT_TRUE(is_found(2));
    run->supply(2, parties_.answer(2, asked_));
    EXPECT_EQ(advance(*run), State::finished);
    EXPECT_TRUE(is_gone(2));
    const std::vector<double> outputs = parties_.client.result(run->take_results());
    ASSERT_EQ(outputs.size(), 3u);
    for (std::size_t i = 0; i < outputs.size(); ++i) EXPECT_NEAR(outputs[i], input_[i] / 8, 1e-4);
  }
  expect_no_trace(2);
}

TEST_F(MasksOfARun, GoWithARunWhoseClientLeaves) {
  begun().reset();
  expect_no_trace(1);
  {
    const std::unique_ptr<CkksRun> run = begun();  // masks 2 and 3
    run->supply(1, parties_.answer(1, asked_));
    EXPECT_EQ(advance(*run), State::waiting);
    EXPECT_TRUE(is_found(3));
  }
  expect_no_trace(3);
}

// While the server works on it: the second mask has just been made.
TEST_F(MasksOfARun, GoWithARunThatIsCancelled) {
  {
    const std::unique_ptr<CkksRun> run = begun();
    run->supply(1, parties_.answer(1, asked_));
    std::stop_source source;
    const CkksRun::OnStep stop_here = [&](std::size_t step, const std::vector<ckks::Ciphertext>& sent) {
      source.request_stop();
      run->supply(step, parties_.answer(step, sent));
    };
    EXPECT_EQ(support::code_of([&] { run->advance(1, stop_here, source.get_token()); }), ErrorCode::cancelled);
  }
  expect_no_trace(2);
}

// A reply that is refused leaves the masks for an honest one; who gives up then takes them along.
TEST_F(MasksOfARun, OutliveARefusedReply) {
  {
    const std::unique_ptr<CkksRun> run = begun();
    EXPECT_EQ(support::code_of([&] { run->supply(1, {}); }), ErrorCode::protocol);
    EXPECT_TRUE(is_found(1));
  }
  expect_no_trace(1);
}

}  // namespace
}  // namespace thex::circuit
