#include "thex/circuit/planner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "thex/base/error.h"
#include "thex/circuit/levels.h"
#include "thex/circuit/refresh.h"
#include "thex/ckks/masked_refresh.h"

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
  const Value result = b.rotate(b.add(p, y), 3);
  return std::move(b).finish(result, {0});
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

// A refresh takes its input low and gives it back as high as its users need, with the scale of the level it was taken
// at.
TEST(AssignLevels, FollowTheRuleOfARefresh) {
  const auto program_with = [](const auto& use) {
    Builder b(8);
    const Value x = b.client_step("in", {}, {zeros(8)}, 1)[0];
    const Value y = b.multiply(x, x);
    const std::vector<Value> back = b.client_step("masked", std::span(&x, 1), {zeros(8)}, 1, std::span(&y, 1));
    return std::move(b).finish(use(b, back[1]), {0});
  };
  const auto weighted = [](Builder& b, Value v) { return b.multiply_plain(v, b.plain({1, nullptr})); };
  const Program program = program_with([&](Builder& b, Value v) {
    Value w = weighted(b, b.rotate(v, 1));
    for (int i = 0; i < 3; ++i) w = b.multiply(w, w);
    return w;
  });
  const ProgramPlan plan = assign_levels(program);
  const NodeId refreshed = program.steps[1].refreshed[0], given = program.nodes[refreshed].inputs[0];
  const RefreshRule& rule = rule_of(RefreshMethod::masked_round);
  EXPECT_EQ(plan.level[given], rule.input);
  EXPECT_EQ(input_level(program.nodes[refreshed], plan.level[refreshed]), rule.input);
  EXPECT_EQ(plan.level[refreshed], 4);
  EXPECT_EQ(plan.depth, 4) << "not the five products from the first encryption on";
  const NodeId rotated = refreshed + 1;
  ASSERT_EQ(program.nodes[rotated].op, Op::rotate);
  for (const NodeId id : {refreshed, rotated}) {
    EXPECT_NE(plan.scale_level[id], plan.level[id]);
    EXPECT_EQ(plan.scale_level[id], rule.input);
  }
  EXPECT_EQ(plan.scale_level[given], plan.level[given]);

  const std::vector<Travelling> sent = to_client(program, plan, 1), back = to_server(program, plan, 1);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_FALSE(sent[0].masked);
  EXPECT_TRUE(sent[1].masked);
  EXPECT_EQ(sent[1].node, given);
  EXPECT_EQ(sent[1].level, rule.input);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[1].node, refreshed);
  EXPECT_EQ(back[1].level, 4);
  EXPECT_EQ(back[1].scale_level, rule.input);

  // Needed no higher than it was given: at that level all the same.
  const Program low = program_with(weighted);
  EXPECT_EQ(assign_levels(low).level[low.steps[1].refreshed[0]], rule.output);
  // Above that its scale fits no other use, unless what it is made of can be given another one.
  const auto power = [](Builder& b, Value v) { return b.multiply(b.multiply(v, v), v); };
  EXPECT_THROW(assign_levels(program_with(power)), Error);
  EXPECT_THROW(assign_levels(program_with([&](Builder& b, Value v) { return power(b, b.rotate(v, 1)); })), Error);
}

// What is refreshed has the scale of the result early where sums with plain vectors give it, and nothing else uses it.
TEST(AssignLevels, GiveRefreshedValuesTheScaleOfTheResult) {
  for (const bool shared : {false, true}) {
    Builder b(8);
    const Value x = b.client_step("in", {}, {zeros(8)}, 1)[0];
    const Value weighted = b.multiply_plain(b.multiply(x, x), b.plain({1, nullptr}));
    const Value sent = b.add(b.add_plain(weighted, b.plain({1, nullptr})), b.rotate(weighted, 1));
    const Value given[] = {sent};
    const Value back = b.client_step("masked", {}, {}, 0, given)[0];
    const Value power = b.multiply(b.multiply(back, back), back);
    const Value result = shared ? b.multiply_plain(weighted, b.plain({1, nullptr})) : power;
    const auto finish = [&] { return std::move(b).finish(shared ? b.add(power, result) : power, {0}); };
    const Program program = finish();
    if (shared) {
      EXPECT_THROW(assign_levels(program), Error);
      continue;
    }
    const ProgramPlan plan = assign_levels(program);
    EXPECT_EQ(plan.level[back.id()], 2);
    for (const Value v : {weighted, sent, back}) EXPECT_EQ(plan.scale_level[v.id()], 2);
    EXPECT_EQ(plan.level[sent.id()], 1);
    EXPECT_EQ(plan.scale_level[program.nodes[weighted.id()].inputs[0]], 2) << "canonical before";
  }
}

// x -> 2 x, refreshed in between so many times, all values near `size`.
Program refreshed(std::size_t slots, int times, double size) {
  Builder b(slots);
  Magnitudes sizes{.weight = 1, .fresh = size};
  sizes.limit = size;
  b.set_label({"refreshed", sizes});
  Value x = b.client_step({"in", sizes}, {}, {zeros(slots)}, 1)[0];
  for (int i = 0; i < times; ++i) {
    const Value sent = b.multiply_plain(x, b.plain({1, nullptr}));
    x = b.client_step({"masked", sizes}, {}, {}, 0, std::span(&sent, 1))[0];
  }
  return std::move(b).finish(b.multiply_plain(x, b.plain({1, nullptr})), {0});
}

TEST(MakePlan, SizesMasksForTheDistanceOfAWholeRun) {
  const auto plan_for = [](int times, double size, double bits) {
    return make_plan([=](std::size_t slots) { return std::vector<Program>{refreshed(slots, times, size)}; },
                     {.max_value = 4, .min_log_n = 14, .max_log_n = 14, .statistical_bits = bits});
  };
  for (const double wanted : {30.0, 40.0, 44.0}) {
    const Plan plan = plan_for(3, 2, wanted);
    const auto& bits = plan.program_plans[0].statistical_bits;
    ASSERT_TRUE(bits);
    EXPECT_GE(*bits, wanted);
    // The definition, once more: three ciphertexts of sqrt(N) s r, sixteen times over, beside 2^b.
    const double mass = 3 * std::sqrt(std::ldexp(1, 14)) * plan.context->scale(1) * 2 * 16;
    EXPECT_NEAR(*bits, ckks::refresh_mask_bits(*plan.context) - std::log2(mass), 1e-9);
  }
  EXPECT_THROW(plan_for(3, 2, 60), Error) << "no two primes have room for such masks";
  EXPECT_FALSE(plan_for(0, 2, 40).program_plans[0].statistical_bits);
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

// A program with more and more products and nodes never becomes large: it ends when a limit is passed.
TEST(ProgramLimits, EndTheBuilderAtOnce) {
  const auto message = [](const ProgramLimits& limits, const std::function<void(Builder&, Value)>& use) {
    try {
      Builder b(8, limits);
      b.set_label("endless");
      Value x = b.client_step("in", {}, {zeros(8)}, 1)[0];
      b.set_label("endless");
      for (int i = 0; i < 1000; ++i) use(b, x);
      ADD_FAILURE() << "no limit";
    } catch (const ProgramTooLarge& e) {
      EXPECT_EQ(e.code(), ErrorCode::crypto);
      return std::string(e.what());
    }
    return std::string();
  };
  const auto sum = [](Builder& b, Value x) { b.add(x, x); };
  EXPECT_EQ(message({.nodes = 100}, sum), "more than 100 nodes are needed, in step 'endless'");
  EXPECT_EQ(message({.plains = 100},
                    [](Builder& b, Value) {
                      b.plain({1, nullptr});
                    }),
            "more than 100 plain vectors are needed, in step 'endless'");
  EXPECT_EQ(message({.operands = 100}, sum), "more than 100 operands are needed, in step 'endless'");
  EXPECT_EQ(
      message({.depth = 3}, [y = Value()](Builder& b, Value x) mutable { y = b.multiply(y == Value() ? x : y, x); }),
      "more than 3 levels are needed, in step 'endless'");
}

TEST(ProgramLimits, CountAllProgramsOfAPlan) {
  const Program program = power(8, 3);
  std::size_t operands = 0;
  for (const Node& node : program.nodes) operands += node.inputs.size() + node.plains.size();
  EXPECT_EQ(program.operands, operands);
  const ProgramLimits left = ProgramLimits{.nodes = 2 * program.nodes.size(), .operands = 100}.after(program);
  EXPECT_EQ(left.nodes_before, program.nodes.size());
  EXPECT_EQ(left.operands_before, operands);
  Builder b(8, left.after(program));
  EXPECT_THROW(b.client_step("in", {}, {zeros(8)}, 1), ProgramTooLarge);
}

// A ring's levels are known before anything is built for it.
TEST(Planner, EndsProgramsThatAreTooDeepForTheirRing) {
  std::map<std::size_t, std::size_t> nodes;  // made, by slots
  Planner planner(
      [&](std::size_t slots, const ProgramLimits& limits) -> std::vector<Program> {
        Builder b(slots, limits);
        Value x = b.client_step("in", {}, {SlotSources(slots, [](std::size_t) { return SlotSource{}; })}, 1)[0];
        for (;; ++nodes[slots]) x = b.multiply(x, x);
      },
      {.max_value = 100});
  try {
    planner.plan();
    FAIL();
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find(" levels are needed, in step 'in'"), std::string::npos) << text;
    EXPECT_NE(text.find("N=2^12: too small, as N=2^13 is"), std::string::npos) << text;
  }
  ASSERT_EQ(nodes.size(), 1u) << "smaller rings have fewer levels still";
  EXPECT_EQ(nodes.begin()->first, 32768u);
  EXPECT_LE(nodes.begin()->second, 60u);
}

// The programs of a ring are built once to be counted, and those of the best one once more at most, whatever the scale.
TEST(Planner, BuildsEachRingOnce) {
  std::vector<std::size_t> built;
  Planner planner(
      [&](std::size_t slots, const ProgramLimits&) {
        built.push_back(slots);
        return std::vector<Program>{power(slots, 2)};
      },
      {.max_value = 100});
  const Plan first = planner.plan(33);
  EXPECT_EQ(first.spec.log_n, 13);
  EXPECT_EQ(built, (std::vector<std::size_t>{32768, 16384, 8192, 4096, 2048, 4096}));
  const Plan second = planner.plan(38);
  EXPECT_GE(second.spec.log_scale, 38);
  EXPECT_LE(built.size(), 7u);
}

}  // namespace
}  // namespace thex::circuit
