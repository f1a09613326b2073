#include "thex/circuit/library/matrix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/support/slots_in_order.h"
#include "thex/circuit/run/clear.h"

namespace thex::circuit {
namespace {

using support::slots_in_order;
std::vector<SlotSource> doubled_rows(std::size_t slots, std::size_t size) {
  std::vector<SlotSource> s(slots);
  for (std::size_t i = 0; i < slots; ++i) s[i] = {0, i / (2 * size) * size + i % size, -1};
  return s;
}

std::vector<double> random_vector(std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> v(n);
  for (double& x : v) x = uniform(engine);
  return v;
}

class DenseMatrix : public ::testing::TestWithParam<int> {};

TEST_P(DenseMatrix, EqualsTheNaiveProductAndClearsTheSecondHalf) {
  const std::size_t size = 16, slots = 128, rows = slots / (2 * size);
  const std::vector<double> m = random_vector(size * size, 1), x = random_vector(rows * size, 2);
  Builder b(slots);
  const Value v = b.client_step("in", {}, {doubled_rows(slots, size)}, 0)[0];
  const LinearMap map(b, {dense(size, [&](std::size_t r, std::size_t c) { return m[r * size + c]; })}, GetParam());
  const Value y = map.apply(b, v);
  std::vector<Slot> all(slots);
  for (std::size_t i = 0; i < slots; ++i) all[i] = i;
  const Program program = std::move(b).finish(y, all);
  const ClearResult out = run_clear(program, x, 1);
  for (std::size_t t = 0; t < rows; ++t)
    for (std::size_t r = 0; r < 2 * size; ++r) {
      double expected = 0;
      if (r < size)
        for (std::size_t c = 0; c < size; ++c) expected += m[r * size + c] * x[t * size + c];
      EXPECT_NEAR(out.logits[t * 2 * size + r], expected, 1e-12);
    }
}
INSTANTIATE_TEST_SUITE_P(BabySteps, DenseMatrix, ::testing::Values(1, 2, 4, 8, 16));

double entry_of(std::size_t r, std::size_t c) { return 10.0 * static_cast<double>(r) + static_cast<double>(c * c); }

TEST(LinearMap, SharesGiantStepsBetweenInputs) {
  const std::size_t size = 16, slots = 64;
  const std::vector<double> m = random_vector(size * size, 3), x = random_vector(slots / 2, 4);
  const auto entry = [&](std::size_t r, std::size_t c) { return m[r * size + c]; };
  Builder b(slots);
  const Value v = b.client_step("in", {}, {doubled_rows(slots, size)}, 0)[0];
  const LinearMap twice(b, {dense(size, entry), dense(size, entry)}, 4);
  const Value inputs[] = {v, v};
  const Value y = twice.apply(b, inputs);
  const Program program = std::move(b).finish(y, {5});
  const TransformTerms& terms = *program.transforms[0].terms;
  EXPECT_EQ(terms.rotations.size(), 2u * 3u) << "three baby steps of each";
  EXPECT_EQ(terms.at.size(), 4u) << "three giant steps";
  double expected = 0;
  for (std::size_t c = 0; c < size; ++c) expected += 2 * m[5 * size + c] * x[c];
  EXPECT_NEAR(run_clear(program, x, 1).logits[0], expected, 1e-12);
}

TEST(LinearMap, NegativeAndPositiveOffsets) {
  const std::size_t slots = 64;
  const std::vector<double> x = random_vector(slots, 5);
  for (const auto negative : {LinearMap::Negative::giant_steps, LinearMap::Negative::turned_input})
    for (const std::vector<int>& offsets : {std::vector<int>{-15, -7, 0, 3, 15}, {-9, -4}, {5, 20}, {-1}, {0}}) {
      Builder b(slots);
      const Value v = b.client_step("in", {}, {slots_in_order(slots)}, 0)[0];
      std::map<int, Components> at;
      for (int o : offsets) at.emplace(o, [o](std::size_t p) { return static_cast<double>(p) + 0.5 * o; });
      const LinearMap map(b, {diagonals_of(32, at)}, 4, negative);
      const Value y = map.apply(b, v);
      const Program program = std::move(b).finish(y, {0, 13, 40, 63});
      const ClearResult out = run_clear(program, x, 1);
      for (std::size_t i = 0; i < 4; ++i) {
        const auto p = static_cast<int>(program.result_slots[i].slot);
        double expected = 0;
        for (int o : offsets) expected += (p % 32 + 0.5 * o) * x[static_cast<std::size_t>((p + o + 64) % 64)];
        EXPECT_NEAR(out.logits[i], expected, 1e-10);
      }
    }
}

TEST(LinearMap, TurnedInputsTakeFewerGiantSteps) {
  const std::size_t size = 64, slots = 256;
  const auto rotations = [&](LinearMap::Negative negative) {
    Builder b(slots);
    const Value v = b.client_step("in", {}, {std::vector<SlotSource>(slots)}, 0)[0];
    const Value y = LinearMap(b, {dense(size, entry_of, {.kind = Rows::Kind::of_one})}, 8, negative).apply(b, v);
    const Program program = std::move(b).finish(y, {0});
    EXPECT_EQ(program.transforms.size(), 1u);
    return std::make_pair(program.nodes.back().inputs.size(), program.transforms[0].terms->at.size());
  };
  EXPECT_EQ(rotations(LinearMap::Negative::giant_steps), std::make_pair(std::size_t{1}, std::size_t{16}));
  EXPECT_EQ(rotations(LinearMap::Negative::turned_input), std::make_pair(std::size_t{2}, std::size_t{8}));
}

TEST(Dense, StackedMatricesByRow) {
  const std::size_t size = 4, slots = 32;  // 4 rows, matrices 0 1 0 1
  const std::vector<double> x = random_vector(16, 6);
  Builder b(slots);
  const Value v = b.client_step("in", {}, {doubled_rows(slots, size)}, 0)[0];
  const LinearMap map(
      b,
      {dense(size, [](std::size_t r, std::size_t c) { return 10.0 * static_cast<double>(r) + static_cast<double>(c); },
             {.stacked = 2})},
      2);
  const Value y = map.apply(b, v);
  const Program program = std::move(b).finish(y, {2, 8 + 2});
  const ClearResult out = run_clear(program, x, 1);
  double row0 = 0, row1 = 0;
  for (std::size_t c = 0; c < size; ++c) {
    row0 += (20.0 + static_cast<double>(c)) * x[c];
    row1 += (60.0 + static_cast<double>(c)) * x[4 + c];
  }
  EXPECT_NEAR(out.logits[0], row0, 1e-12);
  EXPECT_NEAR(out.logits[1], row1, 1e-12);
}

TEST(RotateAndSum, SumsWindows) {
  const std::vector<double> x = random_vector(16, 7);
  Builder b(16);
  const Value v = b.client_step("in", {}, {slots_in_order(16)}, 0)[0];
  const Value y = rotate_and_sum(b, v, 4, 2);
  const Program program = std::move(b).finish(y, {3});
  EXPECT_NEAR(run_clear(program, x, 1).logits[0], x[3] + x[5] + x[7] + x[9], 1e-12);
}

TEST(RotateAndSum, TakesSeveralStepsAtOnce) {
  const std::vector<double> x = random_vector(64, 7);
  double expected = 0;
  for (std::size_t k = 0; k < 16; ++k) expected += x[3 + 2 * k];
  for (const int at_once : {1, 2, 3, 4, 5}) {
    Builder b(64);
    const Value y = rotate_and_sum(b, b.client_step("in", {}, {slots_in_order(64)}, 0)[0], 16, 2, at_once);
    const Program program = std::move(b).finish(y, {3});
    EXPECT_EQ(std::ranges::count(program.nodes, Op::rotation_sum, &Node::op), at_once == 1   ? 0
                                                                              : at_once == 2 ? 2
                                                                                             : 1)
        << at_once;
    EXPECT_NEAR(run_clear(program, x, 1).logits[0], expected, 1e-12) << at_once;
  }
}

// Row 1 of the result, of rows that hold `parts` vectors of random numbers.
std::vector<double> second_row(const Diagonals& diagonals, std::size_t size, std::size_t parts,
                               const std::vector<double>& x) {
  Builder b(x.size());
  const Value v = b.client_step("in", {}, {slots_in_order(x.size())}, 0)[0];
  const LinearMap map(b, {diagonals}, 2);
  const Value y = map.apply(b, v);
  std::vector<Slot> slots;
  for (std::size_t p = 0; p < parts * size; ++p) slots.push_back(parts * size + p);
  return run_clear(std::move(b).finish(y, slots), x, 1).logits;
}

TEST(Dense, RowsOfOneVectorAreNotMixed) {
  const std::size_t size = 8;
  const std::vector<double> x = random_vector(4 * size, 7);
  for (const std::size_t outputs : {3u, 8u}) {
    const Diagonals d = dense(size, entry_of, {.kind = Rows::Kind::of_one}, outputs);
    EXPECT_EQ(d.deltas.size(), size + outputs - 1);
    const std::vector<double> y = second_row(d, size, 1, x);
    for (std::size_t r = 0; r < y.size(); ++r) {
      double expected = 0;
      for (std::size_t c = 0; c < size && r < outputs; ++c) expected += entry_of(r, c) * x[size + c];
      EXPECT_NEAR(y[r], expected, 1e-10) << r;
    }
  }
}

// Two maps of an input, and one map of two inputs, each as one of pairs.
TEST(PairOfMaps, ComputesBoth) {
  const std::size_t size = 8, slots = 64;
  const std::vector<double> x = random_vector(2 * slots, 9);
  Builder b(slots);
  std::vector<std::vector<SlotSource>> sources(2, std::vector<SlotSource>(slots));
  for (std::size_t i = 0; i < slots; ++i)
    for (std::size_t k = 0; k < 2; ++k) sources[k][i] = {0, k * slots + i, -1};
  const std::vector<Value> v = b.client_step("in", {}, {sources[0], sources[1]}, 0);
  const auto minus = [](std::size_t r, std::size_t c) { return -entry_of(c, r); };
  const Diagonals first = dense(size, entry_of, {.kind = Rows::Kind::of_one}),
                  second = dense(size, minus, {.kind = Rows::Kind::of_one}, 3);
  const auto [y0, y1] = b.twice_parts(LinearMap(b, {pair_of(first, second)}, 4).apply(b, v[0]));
  const Value z = b.pair(v[0], v[1]);
  const Value both = b.twice_first(
      LinearMap(b, {pair_of(first, second)}, 4, LinearMap::Negative::turned_input).apply(b, std::span(&z, 1)));
  const Value results[] = {y0, y1, both};
  std::vector<SlotSource> outputs;
  for (std::int32_t r = 0; r < 3; ++r)
    for (std::int32_t i = 0; i < 8; ++i) outputs.push_back({r, 8 + i, -1});
  const std::vector<double> got = run_clear(std::move(b).finish(results, outputs), x, 1).logits;
  for (std::size_t r = 0; r < size; ++r) {
    double first_of_x = 0, second_of_x = 0, second_of_y = 0;
    for (std::size_t c = 0; c < size; ++c) {
      first_of_x += entry_of(r, c) * x[size + c];
      if (r < 3) second_of_x += minus(r, c) * x[size + c], second_of_y += minus(r, c) * x[slots + size + c];
    }
    EXPECT_NEAR(got[r], 2 * first_of_x, 1e-9) << r;
    EXPECT_NEAR(got[8 + r], 2 * second_of_x, 1e-9) << r;
    EXPECT_NEAR(got[16 + r], 2 * (first_of_x - second_of_y), 1e-9) << r;
  }
}

TEST(Dense, RowsThatAreAlikeAreCyclic) {
  const std::size_t size = 8;
  std::vector<double> x = random_vector(4 * size, 8);
  for (std::size_t i = size; i < x.size(); ++i) x[i] = x[i - size];
  const std::vector<double> y = second_row(dense(size, entry_of, {.kind = Rows::Kind::of_one_alike}), size, 1, x);
  for (std::size_t r = 0; r < size; ++r) {
    double expected = 0;
    for (std::size_t c = 0; c < size; ++c) expected += entry_of(r, c) * x[c];
    EXPECT_NEAR(y[r], expected, 1e-10) << r;
  }
}

}  // namespace
}  // namespace thex::circuit
