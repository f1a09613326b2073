#include "thex/circuit/program.h"

#include <gtest/gtest.h>

#include "thex/base/error.h"
#include "thex/circuit/clear.h"

namespace thex::circuit {
namespace {

std::vector<SlotSource> identity(std::size_t slots, std::int32_t input = 0) {
  std::vector<SlotSource> s(slots);
  for (std::size_t i = 0; i < slots; ++i) s[i] = {input, static_cast<std::int32_t>(i), -1};
  return s;
}

TEST(Builder, EqualRotationsAreOneNode) {
  Builder b(8);
  const Value x = b.client_step("in", {}, {identity(8)}, 8)[0];
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
  const Value x = b.client_step("in", {}, {identity(8)}, 8)[0];
  EXPECT_THROW(b.client_step("relu", std::span(&x, 1), {identity(4)}, 4), Error);
}

TEST(ClearInterpreter, EvaluatesEveryOperation) {
  Builder b(8);
  const Value x = b.client_step("in", {}, {identity(8)}, 8)[0];
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

TEST(ClientStep, AppliesReluGathersAndClearsPadding) {
  Builder b(4);
  const Value x = b.client_step("in", {}, {identity(4)}, 4)[0];
  const Value y = b.client_step("relu", std::span(&x, 1), {{{0, 3, -1}, {0, 0, -1}, {-1, 0, -1}, {0, 1, 2}}}, 4)[0];
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
