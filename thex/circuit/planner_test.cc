#include "thex/circuit/planner.h"

#include <gtest/gtest.h>

#include "thex/base/error.h"
#include "thex/circuit/levels.h"

namespace thex::circuit {
namespace {

std::vector<SlotSource> zeros(std::size_t slots) { return std::vector<SlotSource>(slots); }

// x -> x^(2^squarings) + x, one client step in between.
Program power(std::size_t slots, int squarings) {
  Builder b(slots);
  const Value x = b.client_step("in", {}, {zeros(slots)}, 1)[0];
  Value y = b.client_step("relu", std::span(&x, 1), {zeros(slots)}, 1)[0];
  Value p = y;
  for (int i = 0; i < squarings; ++i) p = b.multiply(p, p);
  return std::move(b).finish(b.rotate(b.add(p, y), 3), {0});
}

TEST(AssignLevels, CountsBackwardsFromWhatIsDecrypted) {
  const Program program = power(8, 3);
  const ProgramPlan plan = assign_levels(program);
  EXPECT_EQ(plan.depth, 3);
  EXPECT_EQ(plan.level[program.steps[0].outputs[0]], 0) << "only decrypted: no level to spare";
  EXPECT_EQ(plan.level[program.steps[1].outputs[0]], 3);
  EXPECT_EQ(plan.level[program.results[0]], 0);
  EXPECT_EQ(plan.urgency[program.steps[0].outputs[0]], 1);
  EXPECT_EQ(plan.urgency[program.results[0]], 2);
}

TEST(MakePlan, ChoosesTheSmallestRingThatIsSecure) {
  const auto plan_for = [](int squarings) {
    return make_plan([=](std::size_t slots) { return std::vector<Program>{power(slots, squarings)}; },
                     {.max_value = 100});
  };
  const Plan shallow = plan_for(2), deep = plan_for(7), deeper = plan_for(18);
  EXPECT_EQ(shallow.spec.log_n, 13);
  EXPECT_EQ(deep.spec.log_n, 14);
  EXPECT_EQ(deeper.spec.log_n, 15);
  for (const Plan* plan : {&shallow, &deep, &deeper}) {
    EXPECT_LE(plan->context->log_qp(), ckks::max_log_qp_128(plan->spec.log_n));
    EXPECT_EQ(plan->context->max_level(), plan->program_plans[0].depth);
    EXPECT_GE(plan->spec.q_bits[0] - plan->spec.log_scale, 8) << "values up to 100, a sign and a margin";
    ASSERT_TRUE(plan->keys.rotations.contains(3));
    EXPECT_EQ(plan->keys.rotations.at(3), 0) << "the rotation happens at the last level";
    EXPECT_EQ(plan->keys.relinearization_level, plan->program_plans[0].depth);
    EXPECT_GT(plan->key_bytes_memory, plan->key_bytes_wire);
  }
}

TEST(MakePlan, SaysWhyNothingFits) {
  try {
    make_plan([](std::size_t slots) { return std::vector<Program>{power(slots, 60)}; }, {.max_value = 100});
    FAIL() << "60 levels are not 128-bit secure at N = 2^16";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::crypto);
    EXPECT_NE(std::string(e.what()).find("60 levels"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace thex::circuit
