#include "thex/circuit/ckks_executor.h"

#include <gtest/gtest.h>

#include <random>

#include "thex/base/error.h"
#include "thex/circuit/clear.h"
#include "thex/circuit/client_turn.h"
#include "thex/circuit/matrix.h"
#include "thex/ckks/secret/secret.h"

namespace thex::circuit {
namespace {

std::vector<SlotSource> identity(std::size_t slots) {
  std::vector<SlotSource> s(slots);
  for (std::size_t i = 0; i < slots; ++i) s[i] = {0, static_cast<std::int32_t>(i), -1};
  return s;
}

// Every operation, a value used at several levels, hoisted and single rotations, two client steps, a refresh.
Program mixed(std::size_t slots) {
  Builder b(slots);
  const Value x = b.client_step("in", {}, {identity(slots)}, slots)[0];
  b.set_label("first");
  const PlainId mask =
      b.plain(vector_of(4, [](std::size_t p) { return p == 3 ? -0.5 : 0.25 * static_cast<double>(p); }));
  Diagonals d{.period = 16};
  for (int o : {-5, -1, 0, 1, 2, 6})
    d.at.emplace(o, [o](std::size_t p) { return 0.1 * (static_cast<double>(p) - 7) + 0.05 * o; });
  const LinearMap map(b, {d}, 4);
  const Value y = b.add_plain(map.apply(b, x), mask);
  const Value z = b.add(b.multiply(y, b.rotate(y, 7)), x);
  const std::vector<Value> returned =
      b.client_step("relu", std::span(&z, 1), {identity(slots)}, slots, std::span(&y, 1));
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

class Executor : public ::testing::TestWithParam<int> {};

TEST_P(Executor, AgreesWithTheClearInterpreter) {
  const Plan plan = make_plan([](std::size_t slots) { return std::vector<Program>{mixed(slots)}; }, {.max_value = 60});
  const Program& program = plan.programs[0];
  const ProgramPlan& levels = plan.program_plans[0];
  ring::Prng prng(ring::Seed{7});
  const auto key = ckks::secret::SecretKey::generate(plan.context, prng);
  const auto keys = ckks::secret::make_evaluation_keys(key, plan.keys, prng);
  const ckks::Evaluator evaluator(plan.context);

  std::mt19937 engine(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> input(program.slots);
  for (double& v : input) v = uniform(engine);
  const ClearResult clear = run_clear(program, input, 1);

  const ClientTurn client(plan, 0, key, 1, 2);
  const auto expand = [&](const std::vector<ckks::SeededCiphertext>& seeded) {
    std::vector<ckks::Ciphertext> out;
    for (const auto& c : seeded) out.push_back(evaluator.expand(c));
    return out;
  };
  const CkksExecutor executor(plan.context, program, levels);
  EXPECT_GT(executor.plaintext_bytes(), 0u);
  const auto exchange = [&](std::size_t step, std::vector<ckks::Ciphertext> inputs) {
    return expand(client.answer(step, inputs));
  };
  const std::vector<ckks::Ciphertext> result = executor.run(keys, expand(client.first(input)), exchange, GetParam());
  ASSERT_EQ(result.size(), program.results.size());
  for (const ckks::Ciphertext& c : result) EXPECT_EQ(c.level, 0);
  const std::vector<double> got = client.result(result);
  ASSERT_EQ(got.size(), 48u) << "the outputs of token 1 are padding";
  ASSERT_EQ(clear.logits.size(), got.size());
  EXPECT_THROW(client.result(std::span(result).first(2)), Error);
  for (std::size_t i = 0; i < clear.logits.size(); ++i) ASSERT_NEAR(got[i], clear.logits[i], 1e-4) << "slot " << i;

  // A client that answers with the wrong level is refused, and the run ends.
  const auto wrong = [&](std::size_t step, std::vector<ckks::Ciphertext> inputs) {
    auto fresh = exchange(step, std::move(inputs));
    fresh[0] = evaluator.drop_to(fresh[0], 0);
    return fresh;
  };
  EXPECT_THROW(executor.run(keys, expand(client.first(input)), wrong, GetParam()), Error);
}
INSTANTIATE_TEST_SUITE_P(Threads, Executor, ::testing::Values(1, 2, 4));

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
  const CkksExecutor one(plan.context, plan.programs[0], plan.program_plans[0], store);
  const CkksExecutor two(plan.context, plan.programs[0], plan.program_plans[0], store);
  EXPECT_EQ(one.plaintext_bytes(), two.plaintext_bytes());
  EXPECT_EQ(store->bytes(), one.plaintext_bytes());
}

}  // namespace
}  // namespace thex::circuit
