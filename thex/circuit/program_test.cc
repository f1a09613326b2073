#include "thex/circuit/program.h"

#include <gtest/gtest.h>

#include "tests/support/slots_in_order.h"
#include "thex/base/error.h"
#include "thex/circuit/levels.h"
#include "thex/circuit/run/clear.h"

namespace thex::circuit {
namespace {

using support::slots_in_order;
TEST(Builder, EqualRotationsAreOneNode) {
  Builder b(8);
  const Value x = b.client_step("in", {}, {slots_in_order(8)}, 8)[0];
  EXPECT_EQ(b.rotate(x, 3).id(), b.rotate(x, -5).id());
  EXPECT_NE(b.rotate(x, 3).id(), b.rotate(x, 2).id());
  EXPECT_EQ(b.rotate(x, 8).id(), x.id());
}

TEST(Builder, RefusesWhatCannotRun) {
  EXPECT_THROW(Builder(12), Error);
  Builder b(8);
  EXPECT_THROW(b.plain({16, nullptr}), Error);
  EXPECT_THROW(b.plain({3, nullptr}), Error);
  EXPECT_THROW(b.add(Value(), Value()), Error);
  const Value x = b.client_step("in", {}, {slots_in_order(8)}, 8)[0];
  EXPECT_THROW(b.client_step("relu", std::span(&x, 1), {slots_in_order(4)}, 4), Error);
}

TEST(ClearInterpreter, EvaluatesEveryOperation) {
  Builder b(8);
  const Value x = b.client_step("in", {}, {slots_in_order(8)}, 8)[0];
  const PlainId two = b.plain({2, [](std::span<double> v) { v[0] = 2, v[1] = -1; }});
  const Value r = b.rotate(x, 1);
  const Value terms[] = {x, r};
  const PlainId factors[] = {two, two};
  const Value w = b.weighted_sum(terms, factors);  // 2x_i + 2x_(i+1) or -(x_i + x_(i+1))
  const std::pair<Value, Value> products[] = {{w, x}, {r, r}};
  const Value p = b.product_sum(products);
  const Value result = b.add(b.add_plain(p, two), x);
  const Program program = std::move(b).finish(result, {0, 1, 7});
  const std::vector<double> input{1, 2, 3, 4, 5, 6, 7, 8};
  const ClearResult out = run_clear(program, input, 8);
  EXPECT_DOUBLE_EQ(out.logits[0], (2 * 1 + 2 * 2) * 1 + 2 * 2 + 2 + 1);
  EXPECT_DOUBLE_EQ(out.logits[1], -(2 + 3) * 2 + 3 * 3 - 1 + 2);
  EXPECT_DOUBLE_EQ(out.logits[2], -(8 + 1) * 8 + 1 * 1 - 1 + 8);
}

TEST(ClearInterpreter, ComputesWithPairs) {
  Builder b(8);
  const Value x = b.client_step("in", {}, {slots_in_order(8)}, 8)[0];
  const Value y = b.rotate(x, 1);
  const PlainId two = b.plain({2, [](std::span<double> v) { v[0] = 2, v[1] = -1; }});
  Value z = b.pair(x, y);
  z = b.add(z, b.rotate(z, 2));                         // x_i + x_(i+2), y_i + y_(i+2)
  z = b.multiply_plain(b.multiply(y, z), two);          // times y_i, times the factor
  const auto [p, q] = b.twice_parts(b.subtract(z, x));  // x is subtracted from the first only
  const Value results[] = {p, q};
  const Program program = std::move(b).finish(results, {{0, 0, -1}, {0, 3, -1}, {1, 0, -1}, {1, 3, -1}});
  const ClearResult out = run_clear(program, std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8}, 8);
  EXPECT_EQ(out.logits, (std::vector<double>{2 * (2 * 2 * (1 + 3) - 1), 2 * (-1 * 5 * (4 + 6) - 4), 2 * 2 * 2 * (2 + 4),
                                             2 * -1 * 5 * (5 + 7)}));
}

TEST(ClearInterpreter, SubtractsAndMultipliesByIntegers) {
  Builder b(8);
  const Value x = b.client_step("in", {}, {slots_in_order(8)}, 8)[0];
  EXPECT_EQ(b.multiply_integer(x, 1).id(), x.id());
  EXPECT_THROW(b.multiply_integer(x, kMaxIntegerFactor + 1), Error);
  EXPECT_THROW(b.multiply_integer(x, -kMaxIntegerFactor - 1), Error);
  const Value result = b.subtract(b.multiply_integer(x, -3), b.rotate(x, 2));
  const Program program = std::move(b).finish(result, {0, 7});
  const std::vector<double> input{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(run_clear(program, input, 8).logits, (std::vector<double>{-3 - 3, -24 - 2}));
  EXPECT_EQ(assign_levels(program).depth, 0) << "neither takes a level";
}

// A simulated run adds the noise of its seed, near what every node's operation adds.
TEST(ClearInterpreter, SimulatesNoise) {
  Builder b(1 << 12);
  const Value x = b.client_step("in", {}, {slots_in_order(1 << 12)}, 8)[0];
  std::vector<Slot> all(1 << 12);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const Value result = b.rotate(x, 1);
  const Program program = std::move(b).finish(result, all);
  const ProgramPlan plan = assign_levels(program);
  const auto context = ckks::Context::create({13, {45, 32}, {46}, 1, 32});
  const std::vector<double> input(1 << 12, 0.25);
  const auto run = [&](std::uint64_t seed) {
    return run_clear(program, input, 1, NoiseModel{context.get(), &plan, seed}).logits;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
  double square = 0;
  for (const double v : run(3)) square += (v - 0.25) * (v - 0.25);
  const OperationNoise noise(*context);
  const double scale = context->scale(0);
  const double expected = noise.encryption(scale) + noise.encoding(1 << 12, scale) + noise.key_switch(0, scale);
  EXPECT_NEAR(square / (1 << 12), expected, 0.1 * expected);
}

TEST(Program, OutputsOfSeveralResults) {
  Builder b(8);
  const Value x = b.client_step("in", {}, {slots_in_order(8)}, 8)[0];
  const Value results[] = {x, b.multiply_integer(x, 10)};
  const Program program = std::move(b).finish(results, {{1, 0, 0}, {0, 7, -1}, {1, 2, 1}, {0, 3, 2}});
  const std::vector<double> input{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(run_clear(program, input, 3).logits, (std::vector<double>{10, 8, 30, 4}));
  EXPECT_EQ(run_clear(program, input, 1).logits, (std::vector<double>{10, 8})) << "tokens 1 and 2 are padding";
  const std::vector<std::vector<double>> one(1, std::vector<double>(8));
  EXPECT_THROW(gather_outputs(program, one, 3), Error);
  const std::vector<Value> none;
  EXPECT_THROW(Builder(8).finish(none, {}), Error);
  for (const SlotSource& wrong : {SlotSource{1, 0, -1}, SlotSource{-1, 0, -1}, SlotSource{0, 8, -1}}) {
    Builder other(8);
    const Value y = other.client_step("in", {}, {slots_in_order(8)}, 8)[0];
    EXPECT_THROW(std::move(other).finish(std::span(&y, 1), {wrong}), Error);
  }
}

TEST(ClientStep, AppliesReluGathersAndClearsPadding) {
  Builder b(4);
  const Value x = b.client_step("in", {}, {slots_in_order(4)}, 4)[0];
  const std::vector<SlotSource> back{{0, 3, -1}, {0, 0, -1}, {-1, 0, -1}, {0, 1, 2}};
  const Value y = b.client_step("relu", std::span(&x, 1), {back}, 4)[0];
  const Program program = std::move(b).finish(y, {0, 1, 2, 3});
  const std::vector<double> input{-5, 6, 7, 8};
  EXPECT_EQ(run_clear(program, input, 3).logits, (std::vector<double>{8, 0, 0, 6}));
  EXPECT_EQ(run_clear(program, input, 2).logits, (std::vector<double>{8, 0, 0, 0}))
      << "token 2 is padding in a sentence of 2";
  const std::vector<std::vector<double>> none;
  EXPECT_THROW(apply_client_step(program, 1, none, 3), Error);
}

}  // namespace
}  // namespace thex::circuit
