#include "thex/circuit/noise_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/support/ckks.h"
#include "tests/support/local_parties.h"
#include "tests/support/random_reals.h"
#include "tests/support/slots_in_order.h"
#include "thex/base/error.h"
#include "thex/circuit/levels.h"
#include "thex/circuit/library/matrix.h"
#include "thex/circuit/planner.h"
#include "thex/circuit/run/clear.h"

namespace thex::circuit {
namespace {

using ckks::Ciphertext;
using support::mean_square;
using support::Reals;
using support::rms_difference;
using support::slots_in_order;
using support::uniform;

struct Outcome {
  double measured, predicted, simulated;  // root mean square over the result's slots
};

// Runs a program on real ciphertexts, and the model and the simulated run beside it.
Outcome outcome(const Plan& plan, const Reals& input, std::uint64_t seed) {
  const Program& program = plan.programs[0];
  const ProgramPlan& levels = plan.program_plans[0];
  const support::LocalParties parties(plan, 0, ring::Seed{static_cast<std::uint8_t>(seed), 1});
  const Reals got = parties.run(input, 1);
  const Reals clear = run_clear(program, input, 1).logits;
  const NoiseModel model{plan.context.get(), &levels, seed};
  const NoiseEstimate estimate = simulate_noise(program, model, input, 1);
  return {rms_difference(got, clear), std::sqrt(mean_square(estimate.result)),
          rms_difference(run_clear(program, input, 1, model).logits, clear)};
}

std::vector<Slot> all_slots(std::size_t slots) {
  std::vector<Slot> all(slots);
  for (std::size_t i = 0; i < slots; ++i) all[i] = i;
  return all;
}

// A random program of every operation, values near 1, a client step in the middle with one value refreshed. Nothing
// cancels exactly: a value without noise would have no bits to compare.
Program random_program(std::size_t slots, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(engine() % n); };
  Builder b(slots);
  std::vector<std::pair<Value, int>> values = {
      {b.client_step("in", {}, {slots_in_order(slots)}, slots)[0], 0}};  // and depth
  const auto plain = [&] {
    const std::size_t period = std::size_t{1} << below(8);
    const Reals w = uniform(period, engine());
    return b.plain(vector_of(period, [w](std::size_t i) { return w[i]; }));
  };
  const int kDepth = 3;
  const auto grow = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      b.set_label("step" + std::to_string(i));
      const auto [x, dx] = values[values.size() - 1 - below(std::min<std::size_t>(values.size(), 3))];
      const auto [y, dy] = values[below(values.size())];
      const int deep = std::max(dx, dy);
      switch (below(8)) {
        case 0:
          values.emplace_back(b.rotate(x, static_cast<int>(below(5)) - 2), dx);
          break;
        case 1:
          values.emplace_back(b.add(x, y), deep);
          break;
        case 2:
          if (!(x == y)) values.emplace_back(b.subtract(x, y), deep);  // zero has no noise
          break;
        case 3:
          values.emplace_back(b.add_plain(x, plain()), dx);
          break;
        case 4:
          values.emplace_back(b.multiply_integer(x, 2 + static_cast<int>(below(3))), dx);
          break;
        case 5:
          if (deep < kDepth) {
            const Value terms[] = {x, y, b.rotate(x, 2)};
            const PlainId plains[] = {plain(), plain(), plain()};
            values.emplace_back(b.weighted_sum(terms, plains), deep + 1);
          }
          break;
        default:
          if (deep < kDepth) {
            const std::pair<Value, Value> terms[] = {{x, y}, {y, y}};
            values.emplace_back(b.product_sum(std::span(terms, 1 + below(2))), deep + 1);
          }
      }
    }
  };
  grow(6);
  const Value sent = values.back().first, kept = values[below(values.size())].first;
  const std::vector<Value> returned =
      b.client_step("relu", std::span(&sent, 1), {slots_in_order(slots)}, slots, std::span(&kept, 1));
  values.clear();
  values.emplace_back(returned[0], 0);
  const PlainId w = plain();
  values.emplace_back(b.multiply_plain(returned[1], w), 1);
  grow(6);
  b.set_label("end");
  const Value result = b.add(values.back().first, values[values.size() / 2].first);
  return std::move(b).finish(result, all_slots(slots));
}

TEST(NoiseEstimate, RandomProgramsWithinThreeBits) {
  double worst = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Plan plan = make_plan([&](std::size_t slots) { return std::vector<Program>{random_program(slots, seed)}; },
                                {.max_value = 1e4});
    const Outcome o = outcome(plan, uniform(plan.context->slots(), seed), seed);
    const double off = std::log2(o.measured / o.predicted), simulated_off = std::log2(o.simulated / o.measured);
    EXPECT_LT(std::abs(off), 3) << "program " << seed << ": measured " << o.measured << ", predicted " << o.predicted;
    EXPECT_LT(std::abs(simulated_off), 3) << "program " << seed << ": simulated " << o.simulated;
    worst = std::max(worst, std::abs(off));
  }
  RecordProperty("worst_bits", std::to_string(worst));
}

// Repeated squaring correlates errors fully: x^16 has 16 x^15 times the error of x.
TEST(NoiseEstimate, CarriesErrorsThroughPowers) {
  const auto build = [](std::size_t slots) {
    Builder b(slots);
    Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
    for (int i = 0; i < 4; ++i) x = b.multiply(x, x);
    const Value result = b.multiply_integer(x, 100);
    return std::vector<Program>{std::move(b).finish(result, all_slots(slots))};
  };
  const Plan plan = make_plan(build, {.max_value = 256});
  const Outcome o = outcome(plan, uniform(plan.context->slots(), 1), 1);
  EXPECT_LT(std::abs(std::log2(o.measured / o.predicted)), 1) << o.measured << " " << o.predicted;
  EXPECT_LT(std::abs(std::log2(o.measured / o.simulated)), 1) << o.measured << " " << o.simulated;
}

// With magnitudes assumed instead of measured, a plain circuit is still within three bits.
TEST(NoiseEstimate, FromAssumedMagnitudes) {
  const auto build = [](std::size_t slots) {
    Builder b(slots);
    const Value x = b.client_step({"in", {.fresh = std::sqrt(1.0 / 3)}}, {}, {slots_in_order(slots)}, slots)[0];
    const PlainId w = b.plain(vector_of(4, [](std::size_t i) { return i % 2 == 0 ? 0.5 : -0.75; }));
    const Value y = b.multiply(b.multiply_plain(x, w), b.rotate(x, 1));
    const Value result = b.subtract(y, b.rotate(y, 2));
    return std::vector<Program>{std::move(b).finish(result, all_slots(slots))};
  };
  const Plan plan = make_plan(build, {});
  const Outcome o = outcome(plan, uniform(plan.context->slots(), 2), 2);
  const NoiseEstimate assumed = estimate_noise(plan.programs[0], plan.program_plans[0], OperationNoise(*plan.context));
  EXPECT_LT(std::abs(std::log2(o.measured) + assumed.result_bits()), 3) << o.measured;
  EXPECT_NEAR(assumed.magnitude.back(), std::sqrt(2 * 13.0 / 32 / 9), 0.01);
}

// A step's limit is for what is computed in it: what the client encrypts has its own size, and what it refreshes on the
// way keeps that of its input.
TEST(NoiseEstimate, LimitsAreForWhatIsComputed) {
  const std::size_t slots = 8;
  Builder b(slots);
  const Value x = b.client_step({"in", {.fresh = 3, .limit = 0.5}}, {}, {slots_in_order(slots)}, slots)[0];
  b.set_label("free");
  const Value free = b.multiply_plain(x, b.plain({4, nullptr}));
  b.set_label({"limited", {.weight = 2, .limit = 0.5}});
  const Value limited = b.multiply_plain(x, b.plain({4, nullptr}));
  const std::vector<Value> back = b.client_step({"turn", {.fresh = 2, .limit = 0.25}}, std::span(&limited, 1),
                                                {slots_in_order(slots)}, slots, std::span(&free, 1));
  b.set_label({"end", {.weight = 2}});
  const Value end = b.multiply_plain(back[1], b.plain({4, nullptr}));
  const Program program = std::move(b).finish(b.add(end, b.multiply(back[0], back[0])), {0});
  const auto context = ckks::Context::create({.log_n = 13, .q_bits = {46, 40, 40}, .p_bits = {46}, .log_scale = 40});
  const NoiseEstimate estimate = estimate_noise(program, assign_levels(program), OperationNoise(*context));
  const auto magnitude = [&](Value v) { return estimate.magnitude[static_cast<std::size_t>(v.id())]; };
  EXPECT_DOUBLE_EQ(magnitude(x), 3);
  EXPECT_DOUBLE_EQ(magnitude(free), 3) << "times weights of 1";
  EXPECT_DOUBLE_EQ(magnitude(limited), 0.5) << "not 6";
  EXPECT_DOUBLE_EQ(magnitude(back[0]), 2);
  EXPECT_DOUBLE_EQ(magnitude(back[1]), 3) << "not the turn's 0.25";
  EXPECT_DOUBLE_EQ(magnitude(end), 6);
}

TEST(NoiseEstimate, BitsAreWhatPrecisionStatisticsMeasure) {
  std::mt19937_64 engine(5);
  std::normal_distribution<double> gauss(0, 0x1p-12);
  const Reals exact(8192, 0.0);
  Reals noisy(exact.size());
  for (double& x : noisy) x = gauss(engine);
  const ckks::PrecisionStatistics s = ckks::precision(noisy, exact);
  EXPECT_NEAR(s.mean_bits, expected_mean_bits(0x1p-12), 0.05);
  EXPECT_NEAR(s.min_bits, expected_min_bits(0x1p-12, exact.size()), 0.3);
}

// --- The planner

// Grows in the step "blow up": a large factor, whose rescaling is exact enough, but not the error that it enlarges.
std::vector<Program> growing(std::size_t slots, int factor) {
  Builder b(slots);
  b.set_label("input");
  Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
  b.set_label("square");
  x = b.multiply(x, x);
  b.set_label("blow up");
  x = b.multiply_integer(x, factor);
  b.set_label("turn");
  std::vector<Slot> all = {0, 1, 2};
  const Value result = b.rotate(x, 1);
  return {std::move(b).finish(result, all)};
}

// Predicts by simulated runs on these values of so many slots.
auto simulated_on(Reals (*values)(std::size_t slots)) {
  return [values](const Plan& plan, std::size_t i) {
    const Program& program = plan.programs[i];
    return simulate_noise(program, {plan.context.get(), &plan.program_plans[i], i}, values(program.slots), 1);
  };
}

// Between values of measured gain the operations count for what they add alone; after the last ones too.
TEST(NoiseEstimate, MeasuredGainsStandForTheOperationsBetween) {
  constexpr double kFirst = 3, kSecond = 5;
  const auto build = [](bool measured) {
    return [=](std::size_t slots) {
      Builder b(slots);
      const Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
      if (measured) b.set_error_gain(std::span(&x, 1), kFirst);
      const Value y = b.multiply_integer(x, 1000);
      if (measured) b.set_error_gain(std::span(&y, 1), kSecond);
      return std::vector<Program>{std::move(b).finish(b.rotate(b.multiply_integer(y, 1000), 1), {0})};
    };
  };
  const auto estimate = [&](bool measured) {
    const Plan plan = make_plan(build(measured), {});
    return estimate_noise(plan.programs[0], plan.program_plans[0], OperationNoise(plan.spec));
  };
  const NoiseEstimate carried = estimate(false), of_gains = estimate(true);
  const double fresh = carried.deviation[0],
               rotated = std::sqrt(std::pow(carried.deviation[3], 2) - std::pow(carried.deviation[2], 2));
  EXPECT_DOUBLE_EQ(carried.deviation[1], 1000 * fresh);
  EXPECT_DOUBLE_EQ(of_gains.deviation[0], fresh);
  EXPECT_DOUBLE_EQ(of_gains.deviation[1], kFirst * fresh);
  EXPECT_DOUBLE_EQ(of_gains.deviation[2], 1000 * kFirst * fresh) << "in between, what operations do";
  EXPECT_NEAR(of_gains.result[0], std::hypot(kSecond * kFirst * fresh, rotated), 1e-6 * of_gains.result[0]);
}

// A size that is known is not what follows from the inputs.
TEST(NoiseEstimate, KnownSizesCount) {
  Builder b(64);
  const Value x = b.client_step("in", {}, {slots_in_order(64)}, 64)[0], square = b.multiply(x, x);
  b.set_size(square, 7);
  const Program program = std::move(b).finish(b.add(square, square), {0});
  EXPECT_EQ(mean_squares(program), (std::vector<double>{1, 49, 196}));
}

// An error that is no number leaves no bits.
TEST(NoiseEstimate, OfResultsThatAreNotFiniteHasNoBits) {
  const NoiseEstimate estimate{.magnitude = {}, .deviation = {}, .result = {0.5, std::nan(""), 0.25}};
  EXPECT_EQ(estimate.result_bits(), -std::numeric_limits<double>::infinity());
}

TEST(PrecisionCheck, RefusesAndNamesTheStep) {
  const auto build = [](int factor) { return [=](std::size_t slots) { return growing(slots, factor); }; };
  const auto simulate = simulated_on([](std::size_t slots) { return uniform(slots, 3); });
  PlannerOptions options{.max_value = 256, .min_precision_bits = 12, .simulate = simulate};
  const Plan good = make_plan(build(100), options);
  ASSERT_TRUE(good.program_plans[0].result_bits);
  EXPECT_GT(*good.program_plans[0].result_bits, 12);
  support::expect_error(ErrorCode::crypto, {"'blow up'", "multiply_integer", "12.0 are wanted", "larger scale"},
                        [&] { make_plan(build(1000000), options); });
  options.min_precision_bits = 0;
  const Plan unchecked = make_plan(build(1000000), options);
  ASSERT_TRUE(unchecked.program_plans[0].result_bits);
  EXPECT_LT(*unchecked.program_plans[0].result_bits, 12);
  EXPECT_EQ(unchecked.spec, good.spec) << "the check does not change what is chosen";
  options.simulate = nullptr;
  EXPECT_FALSE(make_plan(build(100), options).program_plans[0].result_bits) << "nothing was asked";
  options.min_precision_bits = 12;
  EXPECT_THROW(make_plan(build(1000000), options), Error) << "from assumed magnitudes";
}

// A larger scale is a way out that the message names.
TEST(PrecisionCheck, ALargerScaleKeepsMoreBits) {
  const auto build = [](std::size_t slots) {
    Builder b(slots);
    Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
    for (int i = 0; i < 9; ++i) x = b.multiply(x, x);
    return std::vector<Program>{std::move(b).finish(x, {0})};
  };
  PlannerOptions options{.simulate = simulated_on([](std::size_t slots) { return Reals(slots, 1.0); })};
  const Plan cheap = make_plan(build, options);
  options.min_log_scale = cheap.spec.log_scale + 1;
  const Plan precise = make_plan(build, options);
  EXPECT_GT(precise.spec.log_scale, cheap.spec.log_scale);
  EXPECT_GT(*precise.program_plans[0].result_bits, *cheap.program_plans[0].result_bits + 0.5);
}

// Precision lost before a client step is found through it.
TEST(PrecisionCheck, LooksThroughClientSteps) {
  const auto build = [](std::size_t slots) {
    Builder b(slots);
    Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
    b.set_label("early");
    x = b.multiply_integer(x, 1 << 20);
    x = b.client_step("relu", std::span(&x, 1), {slots_in_order(slots)}, slots)[0];
    b.set_label("late");
    const Value result = b.rotate(x, 1);
    return std::vector<Program>{std::move(b).finish(result, {0})};
  };
  support::expect_error(ErrorCode::crypto, {"'early'"}, [&] {
    make_plan(build, {.min_precision_bits = 20,
                      .simulate = simulated_on([](std::size_t slots) { return Reals(slots, 1.0); })});
  });
}

}  // namespace
}  // namespace thex::circuit
