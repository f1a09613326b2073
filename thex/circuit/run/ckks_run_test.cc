#include "thex/circuit/run/ckks_run.h"

#include <gtest/gtest.h>

#include <random>
#include <stop_token>
#include <thread>

#include "tests/support/error_code.h"
#include "tests/support/local_parties.h"
#include "tests/support/no_more_threads.h"
#include "tests/support/slots_in_order.h"
#include "thex/base/error.h"
#include "thex/base/sanitizers.h"
#include "thex/circuit/library/matrix.h"
#include "thex/circuit/planner.h"
#include "thex/circuit/run/clear.h"

namespace thex::circuit {
namespace {

using ckks::Ciphertext;
using support::code_of;
using support::slots_in_order;

// Every operation, a value used at several levels, hoisted and single rotations, two client steps, a refresh.
Program mixed(std::size_t slots) {
  Builder b(slots);
  const Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
  b.set_label("first");
  const PlainId mask =
      b.plain(vector_of(4, [](std::size_t p) { return p == 3 ? -0.5 : 0.25 * static_cast<double>(p); }));
  std::map<int, Components> diagonals;
  for (int o : {-5, -1, 0, 1, 2, 6})
    diagonals.emplace(o, [o](std::size_t p) { return 0.1 * (static_cast<double>(p) - 7) + 0.05 * o; });
  const LinearMap map(b, {diagonals_of(16, diagonals)}, 4);
  const Value y = b.add_plain(map.apply(b, x), mask);
  const Value z = b.add(b.multiply(y, b.rotate(y, 7)), x);
  const std::vector<Value> returned =
      b.client_step("relu", std::span(&z, 1), {slots_in_order(slots)}, slots, std::span(&y, 1));
  const Value back = returned[0], y_again = returned[1];
  b.set_label("second");
  const std::pair<Value, Value> terms[] = {{back, x}, {y, b.rotate(back, -9)}, {back, back}};
  const Value mixed[] = {b.product_sum(terms), y_again};
  const PlainId masks[] = {mask, mask};
  const Value result = b.add(b.weighted_sum(mixed, masks), back);
  const auto [first, second] = b.twice_parts(b.rotate(b.multiply(back, b.pair(y, x)), 5));
  const Value of_pair = b.add(first, b.multiply_integer(second, -2));
  // Results of several levels, one twice; outputs of padding are left out.
  const Value results[] = {result, y, of_pair};
  std::vector<SlotSource> outputs;
  for (std::int32_t i = 0; i < 64; ++i) outputs.push_back({i % 3, i, i % 4 == 3 ? 1 : -1});
  return std::move(b).finish(results, std::move(outputs));
}

Plan plan_of(Program (*program)(std::size_t slots)) {
  return make_plan([=](std::size_t slots) { return std::vector<Program>{program(slots)}; }, {.max_value = 60});
}

std::vector<double> random_input(std::size_t slots) {
  std::mt19937 engine(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> input(slots);
  for (double& v : input) v = uniform(engine);
  return input;
}

class Run : public ::testing::TestWithParam<int> {};

TEST_P(Run, AgreesWithTheClearInterpreter) {
  const Plan plan = plan_of(mixed);
  const Program& program = plan.programs[0];
  const support::LocalParties parties(plan, 0, ring::Seed{7});
  EXPECT_GT(parties.circuit->plaintext_bytes(), 0u);
  const std::vector<double> input = random_input(program.slots);
  const ClearResult clear = run_clear(program, input, 1);

  const auto exchange = [&](std::size_t step, const std::vector<Ciphertext>& sent) {
    return parties.answer(step, sent);
  };
  const std::vector<Ciphertext> result =
      run_with_client(parties.circuit, parties.keys, parties.first(input), exchange, GetParam());
  ASSERT_EQ(result.size(), program.results.size());
  for (const Ciphertext& c : result) EXPECT_EQ(c.level, 0);
  const std::vector<double> got = parties.client.result(result);
  ASSERT_EQ(got.size(), 48u) << "the outputs of token 1 are padding";
  ASSERT_EQ(clear.logits.size(), got.size());
  EXPECT_THROW(parties.client.result(std::span(result).first(2)), Error);
  for (std::size_t i = 0; i < clear.logits.size(); ++i) ASSERT_NEAR(got[i], clear.logits[i], 1e-4) << "slot " << i;

  // A client that answers with the wrong level is refused, and the run ends.
  const auto wrong = [&](std::size_t step, const std::vector<Ciphertext>& sent) {
    auto fresh = parties.answer(step, sent);
    fresh[0] = parties.evaluator.drop_to(fresh[0], 0);
    return fresh;
  };
  EXPECT_EQ(code_of([&] { run_with_client(parties.circuit, parties.keys, parties.first(input), wrong, GetParam()); }),
            ErrorCode::protocol);
}
INSTANTIATE_TEST_SUITE_P(Threads, Run, ::testing::Values(1, 2, 4));

// Two client steps, and work aside that needs neither.
Program with_work_aside(std::size_t slots) {
  Builder b(slots);
  const Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
  b.set_label("early");
  const Value y = b.rotate(x, 3);
  const Value first = b.client_step("one", std::span(&y, 1), {slots_in_order(slots)}, slots)[0];
  b.set_label("between");
  const Value z = b.multiply(first, x);
  const Value second = b.client_step("two", std::span(&z, 1), {slots_in_order(slots)}, slots)[0];
  b.set_label("aside");
  const Value aside = b.rotate(b.multiply(x, x), 5);
  b.set_label("late");
  const Value result = b.add(second, aside);
  return std::move(b).finish(result, {0, 1, 2});
}

std::vector<std::uint64_t> residues(const ring::Poly& poly) {
  std::vector<std::uint64_t> all;
  for (std::size_t i = 0; i < poly.limbs(); ++i) all.insert(all.end(), poly.limb(i), poly.limb(i) + poly.n());
  return all;
}

std::size_t count_of(const RunProfile& profile, const std::string& label) {
  std::size_t count = 0;
  for (const NodeTime& time : profile.times())
    if (time.label == label) count += time.count;
  return count;
}

TEST(YieldingRun, HoldsNothingWhileTheClientThinks) {
  const Plan plan = plan_of(with_work_aside);
  const support::LocalParties parties(plan, 0, ring::Seed{8});
  const std::vector<double> input = random_input(plan.programs[0].slots);
  std::vector<std::vector<Ciphertext>> asked(3), answers(3);
  const auto on_step = [&](std::size_t step, std::vector<Ciphertext> sent) { asked[step] = std::move(sent); };

  RunProfile profile;
  CkksRun run(parties.circuit, parties.keys, &profile);
  EXPECT_EQ(run.advance(2, on_step), CkksRun::State::waiting) << "for the first message";
  EXPECT_FALSE(run.runnable());
  answers[0] = parties.first(input);
  run.supply(0, answers[0]);
  EXPECT_TRUE(run.runnable());
  EXPECT_EQ(run.advance(2, on_step), CkksRun::State::waiting);
  EXPECT_EQ(asked[1].size(), 1u);
  EXPECT_EQ(count_of(profile, "aside"), 2u) << "the work that needs no answer has been done";
  EXPECT_EQ(count_of(profile, "between"), 0u);
  EXPECT_THROW(run.take_results(), Error) << "it has not finished";

  // On another thread, as a pool of workers would.
  answers[1] = parties.answer(1, asked[1]);
  run.supply(1, answers[1]);
  CkksRun::State state = CkksRun::State::finished;
  std::thread([&] { state = run.advance(1, on_step); }).join();
  EXPECT_EQ(state, CkksRun::State::waiting);
  answers[2] = parties.answer(2, asked[2]);
  run.supply(2, answers[2]);
  EXPECT_EQ(run.advance(3, on_step), CkksRun::State::finished);
  const std::vector<Ciphertext> results = run.take_results();
  EXPECT_THROW(run.take_results(), Error) << "they are given once";
  const ClearResult clear = run_clear(plan.programs[0], input, 1);
  const std::vector<double> got = parties.client.result(results);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], clear.logits[i], 1e-4);

  // The same answers give the same bits, on any number of threads, in one go or in several.
  for (const int threads : {1, 3}) {
    const std::vector<Ciphertext> again = run_with_client(
        parties.circuit, parties.keys, answers[0],
        [&](std::size_t step, const std::vector<Ciphertext>&) { return answers[step]; }, threads);
    ASSERT_EQ(again.size(), results.size());
    for (std::size_t p = 0; p < 2; ++p)
      EXPECT_EQ(residues(again[0].parts[p]), residues(results[0].parts[p])) << threads << " threads, part " << p;
  }
}

TEST(YieldingRun, TakesUpAtOnceWhatIsSuppliedMeanwhile) {
  const Plan plan = plan_of(with_work_aside);
  const support::LocalParties parties(plan, 0, ring::Seed{8});
  CkksRun run(parties.circuit, parties.keys);
  run.supply(0, parties.first(random_input(plan.programs[0].slots)));
  const auto on_step = [&](std::size_t step, const std::vector<Ciphertext>& sent) {
    std::thread([&] { run.supply(step, parties.answer(step, sent)); }).join();
  };
  EXPECT_EQ(run.advance(2, on_step), CkksRun::State::finished) << "in one call";
  EXPECT_EQ(run.take_results().size(), 1u);
}

TEST(YieldingRun, RefusesWhatWasNotAskedForAndGoesOn) {
  const Plan plan = plan_of(with_work_aside);
  const support::LocalParties parties(plan, 0, ring::Seed{8});
  const std::vector<Ciphertext> first = parties.first(random_input(plan.programs[0].slots));
  std::vector<Ciphertext> asked;
  const auto on_step = [&](std::size_t, std::vector<Ciphertext> sent) { asked = std::move(sent); };
  CkksRun run(parties.circuit, parties.keys);
  const auto refused = [&](std::size_t step, std::vector<Ciphertext> fresh) {
    return code_of([&] { run.supply(step, std::move(fresh)); });
  };
  EXPECT_EQ(refused(1, first), ErrorCode::protocol) << "nobody asked";
  EXPECT_EQ(refused(7, first), ErrorCode::protocol) << "there is no such step";
  EXPECT_EQ(refused(0, {}), ErrorCode::protocol) << "too few";
  std::vector<Ciphertext> low{parties.evaluator.drop_to(first[0], 0)}, scaled = first;
  EXPECT_EQ(refused(0, low), ErrorCode::protocol);
  scaled[0].scale *= 2;
  EXPECT_EQ(refused(0, scaled), ErrorCode::protocol);
  run.supply(0, first);
  EXPECT_EQ(refused(0, first), ErrorCode::protocol) << "twice";
  EXPECT_EQ(run.advance(1, on_step), CkksRun::State::waiting);
  EXPECT_EQ(refused(0, first), ErrorCode::protocol);
  EXPECT_EQ(refused(2, first), ErrorCode::protocol) << "the next step but one";
  run.supply(1, parties.answer(1, asked));
  EXPECT_EQ(run.advance(1, on_step), CkksRun::State::waiting);
  run.supply(2, parties.answer(2, asked));
  EXPECT_EQ(run.advance(1, on_step), CkksRun::State::finished);
}

TEST(YieldingRun, EndsWhenItIsCancelled) {
  const Plan plan = plan_of(with_work_aside);
  const support::LocalParties parties(plan, 0, ring::Seed{8});
  CkksRun run(parties.circuit, parties.keys);
  run.supply(0, parties.first(random_input(plan.programs[0].slots)));
  std::stop_source source;
  const auto on_step = [&](std::size_t step, const std::vector<Ciphertext>& sent) {
    source.request_stop();
    run.supply(step, parties.answer(step, sent));
  };
  EXPECT_EQ(code_of([&] { run.advance(2, on_step, source.get_token()); }), ErrorCode::cancelled);
  EXPECT_EQ(code_of([&] { run.advance(2, on_step); }), ErrorCode::cancelled);
  EXPECT_FALSE(run.runnable());
  EXPECT_THROW(run.take_results(), Error);
}

TEST(YieldingRun, GoesOnWithTheThreadsThatThereAre) {
  const Plan plan = plan_of(with_work_aside);
  const support::LocalParties parties(plan, 0, ring::Seed{8});
  const std::vector<double> input = random_input(plan.programs[0].slots);
  const support::NoMoreThreads none;
  const std::vector<double> got = parties.run(input, 4);
  const ClearResult clear = run_clear(plan.programs[0], input, 1);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], clear.logits[i], 1e-4);
}

// A dense matrix and what is left over from it, in one round.
Program dense_map(std::size_t slots) {
  Builder b(slots);
  const Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
  std::map<int, Components> diagonals;
  for (int o = -20; o < 44; ++o) diagonals.emplace(o, [](std::size_t) { return 0.1; });
  const LinearMap map(b, {diagonals_of(slots, diagonals)}, 8);
  const Value squared = b.multiply(x, x);
  const Value again = map.apply(b, map.apply(b, squared));
  const Value result = b.add(again, rotate_and_sum(b, squared, 8, 1, 2));
  return std::move(b).finish(result, {0});
}

// What a run makes the pool hold, in use and free: the free blocks of every size stay in it.
std::size_t measured_bytes(const support::LocalParties& parties, std::span<const double> input, int threads) {
  ring::trim_pool();
  const auto held = [] {
    const ring::PoolStatistics now = ring::pool_statistics();
    return now.bytes_in_use + now.bytes_free;
  };
  const std::size_t before = ring::pool_statistics().bytes_in_use;
  CkksRun run(parties.circuit, parties.keys);
  run.supply(0, parties.first(input));
  std::vector<Ciphertext> asked;
  std::size_t step = 0;
  const auto on_step = [&](std::size_t s, std::vector<Ciphertext> sent) { step = s, asked = std::move(sent); };
  std::size_t client = 0;  // what the client makes the pool hold is not the run's
  for (;;) {
    if (run.advance(threads, on_step) == CkksRun::State::finished) return held() - before - client;
    const std::size_t until_now = held();
    std::vector<Ciphertext> answer = parties.answer(step, asked);
    client += held() - until_now;
    run.supply(step, std::move(answer));
    asked.clear();
  }
}

TEST(WorkingMemory, CoversWhatARunTakesAndLittleMore) {
  for (Program (*program)(std::size_t) : {mixed, with_work_aside, dense_map}) {
    const Plan plan = plan_of(program);
    const ProgramPlan& estimate = plan.program_plans[0];
    const support::LocalParties parties(plan, 0, ring::Seed{9});
    const std::vector<double> input = random_input(plan.programs[0].slots);
    measured_bytes(parties, input, 1);  // what is made once
    const std::size_t one = measured_bytes(parties, input, 1), three = measured_bytes(parties, input, 3);
    EXPECT_LE(one, estimate.working_bytes);
#if !THEX_ADDRESS_SANITIZER  // under which nothing free is kept
    EXPECT_GE(2 * one, estimate.working_bytes) << "an estimate of no use";
#endif
    EXPECT_LE(three, estimate.working_bytes + 2 * estimate.thread_bytes);
  }
}

TEST(PlaintextStore, KeepsEqualOnesOnceWhileTheyAreHeld) {
  const Plan plan = make_plan([](std::size_t slots) { return std::vector<Program>{mixed(slots)}; }, {.max_value = 60});
  const auto store = std::make_shared<PlaintextStore>(plan.context);
  const std::vector<double> ones(16, 1.0), halves(16, 0.5), longer(32, 1.0);
  {
    const auto a = store->get(ones, false, 1, 1024, false);
    EXPECT_EQ(a, store->get(ones, false, 1, 1024, false));
    for (const auto& other : {store->get(halves, false, 1, 1024, false), store->get(longer, false, 1, 1024, false),
                              store->get(ones, false, 2, 1024, false), store->get(ones, false, 1, 2048, false),
                              store->get(ones, true, 1, 1024, false)})
      EXPECT_NE(a, other);
    const auto extended = store->get(ones, false, 1, 1024, true);
    EXPECT_GT(extended->special.limbs(), 0u);
    EXPECT_EQ(store->bytes(), bytes_of(*a) + bytes_of(*extended));
  }
  EXPECT_EQ(store->bytes(), 0u);
  const CkksCircuit one(plan.context, plan.programs[0], plan.program_plans[0], store);
  const CkksCircuit two(plan.context, plan.programs[0], plan.program_plans[0], store);
  EXPECT_EQ(one.plaintext_bytes(), two.plaintext_bytes());
  EXPECT_EQ(store->bytes(), one.plaintext_bytes());
}

}  // namespace
}  // namespace thex::circuit
