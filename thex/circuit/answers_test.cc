// An answer on its way: what a client sees that encrypts what it likes, and which answers an honest one refuses.
#include "thex/circuit/answers.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <random>

#include "thex/base/error.h"
#include "thex/circuit/library/matrix.h"
#include "thex/circuit/planner.h"
#include "thex/circuit/run/ckks_run.h"
#include "thex/circuit/run/clear.h"
#include "thex/circuit/secret/client_turn.h"
#include "thex/ckks/rerandomise.h"
#include "thex/ckks/secret/secret.h"
#include "thex/ring/kernels.h"

namespace thex::circuit {
namespace {

using ckks::Ciphertext;

constexpr std::size_t kPeriod = 4;
constexpr ckks::Binding kQuery = {1}, kOtherQuery = {2};

// Output l: the sum of weights times inputs over the slots l modulo kPeriod.
Program weighted_sums(std::size_t slots, unsigned weights) {
  Builder b(slots);
  std::vector<SlotSource> all(slots);
  for (std::size_t i = 0; i < slots; ++i) all[i] = {0, i};
  const Value x = b.client_step("in", {}, {all}, slots)[0];
  const PlainId w = b.plain({slots, [weights](std::span<double> out) {
                               std::mt19937 engine(weights);
                               std::uniform_real_distribution<double> uniform(-0.1, 0.1);
                               for (double& v : out) v = uniform(engine);
                             }});
  const Value y =
      rotate_and_sum(b, b.multiply(b.multiply_plain(x, w), x), static_cast<int>(slots / 2), static_cast<int>(kPeriod));
  std::vector<SlotSource> outputs;
  for (std::size_t l = 0; l < kPeriod; ++l) outputs.push_back({0, l});
  return std::move(b).finish(std::span(&y, 1), std::move(outputs), kPeriod);
}

// The client's ReLU of its own input.
Program one_turn(std::size_t slots) {
  Builder b(slots);
  std::vector<SlotSource> all(slots);
  for (std::size_t i = 0; i < slots; ++i) all[i] = {0, i};
  const Value x = b.client_step("in", {}, {all}, slots)[0];
  const Value y = b.client_step("relu", std::span(&x, 1), {all}, slots)[0];
  return std::move(b).finish(y, {0});
}

Plan plan_of(unsigned weights, double flood) {
  return make_plan([=](std::size_t slots) { return std::vector<Program>{weighted_sums(slots, weights)}; },
                   {.max_value = 60, .min_precision_bits = 1, .flood_deviation = flood});
}

std::vector<double> run_clear_outputs(const Plan& plan, std::span<const double> inputs) {
  return run_clear(plan.programs[0], inputs, 1).logits;
}

class Answers : public ::testing::Test {
 protected:
  explicit Answers(double flood = 0x1p-9) : plan(plan_of(1, flood)), other_weights(plan_of(2, flood)) {}

  Plan plan, other_weights;
  ring::Prng prng{ring::Seed{7}};
  ckks::secret::SecretKey key = ckks::secret::SecretKey::generate(plan.context, prng);
  ckks::EvaluationKeys keys = ckks::secret::make_evaluation_keys(key, plan.keys, prng);
  ckks::Evaluator evaluator{plan.context};
  ClientTurn client{plan, 0, key, 1};
  AnswerFinisher finisher{ring::Seed{9}};

  std::vector<double> inputs(double scale) const {
    std::vector<double> values(plan.programs[0].slots);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = scale * std::sin(static_cast<double>(i));
    return values;
  }
  // The result of the circuit with the weights of one of the plans.
  std::vector<Ciphertext> run(const Plan& of, std::vector<Ciphertext> query) const {
    const auto prepared = std::make_shared<const CkksCircuit>(plan.context, of.programs[0], of.program_plans[0]);
    const auto shared_keys = std::make_shared<const ckks::EvaluationKeys>(keys);
    return run_with_client(prepared, shared_keys, std::move(query), {}, 1);
  }
  std::vector<Ciphertext> honest_result(double scale = 1) const {
    return run(plan, {evaluator.expand(client.first(inputs(scale))[0])});
  }
  std::vector<Ciphertext> answer(const std::vector<Ciphertext>& result, const ckks::Binding& query = kQuery) const {
    return finisher.finish(evaluator, plan.programs[0], plan.program_plans[0], result, keys, query);
  }
  void refuses(const std::vector<Ciphertext>& received, const char* what) const {
    try {
      client.result(received, kQuery);
      ADD_FAILURE() << what << " is believed";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::protocol);
      EXPECT_NE(std::string(e.what()).find("does not belong to this query"), std::string::npos) << e.what();
    }
  }
  Ciphertext random_residues() {
    Ciphertext c{.parts = {}, .level = 0, .scale = plan.context->scale(0)};
    for (int p = 0; p < 2; ++p) {
      ring::sample_uniform(prng, c.parts.emplace_back(plan.context->n(), 1).limb(0), plan.context->n(),
                           plan.context->prime(ckks::LimbIndex(0)));
    }
    return c;
  }
};

class OpenAnswers : public Answers {
 protected:
  OpenAnswers() : Answers(0) {}
};

TEST_F(Answers, AreBelievedAndCarryTheFlood) {
  const std::vector<Ciphertext> result = honest_result();
  const std::vector<double> exact = run_clear_outputs(plan, inputs(1));
  const double flood = ckks::flood_deviation(plan.context->scale(0), *plan.program_plans[0].hiding);
  double squares = 0;
  constexpr std::uint8_t kRuns = 100;
  for (std::uint8_t query = 0; query < kRuns; ++query) {
    const std::vector<double> got = client.result(answer(result, {query}), {query});
    ASSERT_EQ(got.size(), kPeriod);
    for (std::size_t l = 0; l < kPeriod; ++l) squares += (got[l] - exact[l]) * (got[l] - exact[l]);
  }
  EXPECT_NEAR(std::sqrt(squares / (kRuns * kPeriod)), flood, 0.2 * flood);
}

TEST_F(Answers, ToARepeatedQueryAreTheSame) {
  const std::vector<Ciphertext> result = honest_result();
  const auto first_part = [](const std::vector<Ciphertext>& c) {
    return std::vector<std::uint64_t>(c[0].parts[0].limb(0), c[0].parts[0].limb(0) + 100);
  };
  EXPECT_EQ(first_part(answer(result)), first_part(answer(result)));
  EXPECT_NE(first_part(answer(result)), first_part(answer(result, kOtherQuery)));
  const AnswerFinisher another;
  EXPECT_NE(first_part(answer(result)),
            first_part(another.finish(evaluator, plan.programs[0], plan.program_plans[0], result, keys, kQuery)));
}

// A client that takes turns can send a query again and other values later: the difference of both answers is not to
// show that of the results. The cover is the same where the result is, so what is zero there must not be here.
TEST_F(Answers, ToARepeatedQueryWithTurnsHaveOtherCovers) {
  const std::vector<Ciphertext> result = honest_result();
  const auto difference = [&](const Program& program) {
    const auto finish = [&] {
      return finisher.finish(evaluator, program, plan.program_plans[0], result, keys, kQuery);
    };
    const Ciphertext d = evaluator.sub(finish()[0], finish()[0]);
    std::array<std::size_t, 2> other{};
    for (std::size_t part = 0; part < 2; ++part)
      for (std::size_t i = 0; i < plan.context->n(); ++i) other[part] += d.parts[part].limb(0)[i] != 0 ? 1 : 0;
    return other;
  };
  Program with_turns = plan.programs[0];
  ASSERT_EQ(with_turns.steps.size(), 1u);
  EXPECT_EQ(difference(with_turns), (std::array<std::size_t, 2>{0, 0}));
  with_turns.steps.resize(2);
  for (const std::size_t other : difference(with_turns)) EXPECT_GT(other, plan.context->n() * 9 / 10);
}

TEST_F(Answers, OfAnotherQueryOrTamperedWithAreRefused) {
  const std::vector<Ciphertext> one = answer(honest_result(1), kQuery), two = answer(honest_result(0.5), kOtherQuery);
  EXPECT_NO_THROW(client.result(one, kQuery));
  EXPECT_NO_THROW(client.result(two, kOtherQuery));
  refuses(two, "an answer to another query");
  refuses(honest_result(), "a result that was not finished");
  refuses({random_residues()}, "a pair of random polynomials");
  refuses({evaluator.add(one[0], one[0])}, "twice the answer");
  refuses({evaluator.negate(one[0])}, "the negative answer");
  refuses({evaluator.add(one[0], two[0])}, "a sum of answers");
  refuses({evaluator.multiply_i(one[0])}, "a turned answer");
  Ciphertext halves = one[0];
  halves.parts[1] = two[0].parts[1];
  refuses({halves}, "halves of two answers");
  // Both copies of a value that is far too large agree.
  Ciphertext large = honest_result()[0];
  for (int k = 0; k < 9; ++k) large = evaluator.add(large, large);
  if (largest_result(*plan.context, plan.program_plans[0]) < 256 * 60) refuses(answer({large}), "a value out of range");
}

TEST_F(OpenAnswers, WithoutCopiesAreCheckedAsWell) {
  const std::vector<Ciphertext> result = honest_result();
  EXPECT_FALSE(plan.program_plans[0].hiding);
  const std::vector<double> got = client.result(result), exact = run_clear_outputs(plan, inputs(1));
  for (std::size_t l = 0; l < kPeriod; ++l) EXPECT_NEAR(got[l], exact[l], 1e-4);
  refuses({random_residues()}, "a pair of random polynomials");
  refuses({evaluator.multiply_i(result[0])}, "a turned answer");
}

// Values of a step are checked as well before they are encrypted anew.
TEST(ClientTurns, RefuseRandomResidues) {
  const Plan plan =
      make_plan([](std::size_t slots) { return std::vector<Program>{one_turn(slots)}; }, {.max_value = 10});
  ring::Prng prng(ring::Seed{7});
  const auto key = ckks::secret::SecretKey::generate(plan.context, prng);
  const ClientTurn client(plan, 0, key, 1);
  Ciphertext random{.parts = {}, .level = 0, .scale = plan.context->scale(0)};
  for (int p = 0; p < 2; ++p)
    ring::sample_uniform(prng, random.parts.emplace_back(plan.context->n(), 1).limb(0), plan.context->n(),
                         plan.context->prime(ckks::LimbIndex(0)));
  EXPECT_THROW(client.answer(1, std::span(&random, 1)), Error);
  const std::vector<double> ones(plan.programs[0].slots, 1.0);
  const ckks::Encoder encoder(plan.context);
  const Ciphertext honest = ckks::Evaluator(plan.context)
                                .expand(ckks::secret::encrypt(key, encoder.encode_full(ones, 0, random.scale), prng));
  EXPECT_EQ(client.answer(1, std::span(&honest, 1)).size(), 1u);
}

// Where the client takes turns nothing has two copies; what is sent to it is tied to the query all the same, each
// ciphertext to its step and its place there.
TEST_F(Answers, OfSeveralRoundsBelongToTheirQuery) {
  const Plan turns =
      make_plan([](std::size_t slots) { return std::vector<Program>{one_turn(slots)}; }, {.max_value = 10});
  const Program& program = turns.programs[0];
  const ProgramPlan& of = turns.program_plans[0];
  const auto secret = ckks::secret::SecretKey::generate(turns.context, prng);
  const ClientTurn asking(turns, 0, secret, 1);
  const ckks::Encoder encoder(turns.context);
  const auto sent = [&](std::size_t step) {
    const Travelling t = to_client(program, of, step)[0];
    const std::vector<double> values(program.slots, 0.5);
    return std::vector<Ciphertext>{
        ckks::Evaluator(turns.context)
            .expand(ckks::secret::encrypt(
                secret, encoder.encode_full(values, t.level, turns.context->scale(t.scale_level)), prng))};
  };
  const auto received = [&](std::size_t step, std::size_t sent_in, const ckks::Binding& query) {
    return unbind_from_query(*turns.context, program, of, step,
                             bind_to_query(*turns.context, program, of, sent_in, sent(step), query), kQuery);
  };
  EXPECT_EQ(asking.answer(1, received(1, 1, kQuery)).size(), 1u);
  EXPECT_NEAR(asking.result(received(2, 2, kQuery))[0], 0.5, 1e-3);
  const auto refused = [](const auto& action) {
    try {
      action();
    } catch (const Error& e) {
      return e.code() == ErrorCode::protocol &&
             std::string(e.what()).find("does not belong to this query") != std::string::npos;
    }
    return false;
  };
  EXPECT_TRUE(refused([&] { asking.answer(1, received(1, 1, kOtherQuery)); }));
  EXPECT_TRUE(refused([&] { asking.answer(1, received(1, 2, kQuery)); }));
  EXPECT_TRUE(refused([&] { asking.result(received(2, 2, kOtherQuery)); }));
  EXPECT_TRUE(refused([&] { asking.result(received(2, 1, kQuery)); }));
  // A hidden answer is tied to its query already.
  const std::vector<Ciphertext> hidden = answer(honest_result());
  EXPECT_NO_THROW(client.result(
      unbind_from_query(*plan.context, plan.programs[0], plan.program_plans[0], 1, hidden, kQuery), kQuery));
}

// A client that encrypts polynomials uniform modulo Q gets results in which all coefficients depend on the weights.
// What covers those beside the subring is uniform and the same whatever the weights are: nothing of them is left.
TEST_F(Answers, ShowNothingElseToAClientThatEncryptsWhatItLikes) {
  const Program& program = plan.programs[0];
  const Travelling t = to_server(program, plan.program_plans[0], 0)[0];
  ckks::Plaintext uniform{ring::Poly(plan.context->n(), t.level.limbs()), t.level, plan.context->scale(t.scale_level)};
  for (const ckks::LimbIndex l : t.level.primes())
    ring::sample_uniform(prng, uniform.poly.limb(l), plan.context->n(), plan.context->prime(l));
  const std::vector<Ciphertext> query = {evaluator.expand(ckks::secret::encrypt(key, uniform, prng))};

  const auto coefficients = [&](const Ciphertext& c) {
    ring::Poly poly = ckks::secret::decrypt(key, c).poly;
    ring::kernels().ntt_inverse(poly.limb(0), plan.context->ntt(ckks::LimbIndex(0)));
    return poly;
  };
  const auto twice = [&](const Ciphertext& c) { return evaluator.add(c, evaluator.multiply_i(c)); };
  std::vector<ring::Poly> covers, results;
  for (const Plan* weights : {&plan, &other_weights}) {
    const std::vector<Ciphertext> result = run(*weights, query);
    const Ciphertext shown = ckks::unbind_answer(*plan.context, answer(result)[0], kQuery, 0);
    results.push_back(coefficients(result[0]));
    covers.push_back(coefficients(evaluator.sub(shown, twice(result[0]))));
  }
  const std::size_t n = plan.context->n(), stride = n / 2 / kPeriod;
  const ring::Modulus& q = plan.context->prime(ckks::LimbIndex(0));
  std::size_t depend = 0, differ = 0;
  std::vector<double> classes(256);
  double largest_shown = 0;
  for (std::size_t i = 0; i < n; ++i) {
    depend += results[0].limb(0)[i] != results[1].limb(0)[i];
    differ += covers[0].limb(0)[i] != covers[1].limb(0)[i];
    const auto x = static_cast<double>(covers[0].limb(0)[i]), modulus = static_cast<double>(q.value());
    if (i % stride == 0) {
      largest_shown = std::max(largest_shown, std::min(x, modulus - x));
    } else {
      ++classes[static_cast<std::size_t>(x / modulus * 256)];
    }
  }
  EXPECT_GT(depend, n - 8) << "all coefficients depend on the weights before they are hidden";
  EXPECT_EQ(differ, 0u);
  EXPECT_LT(largest_shown, std::exp2(plan.program_plans[0].hiding->flooding_bits + 1)) << "the flood alone";
  const double expected = static_cast<double>(n - 2 * kPeriod) / 256;
  double chi_square = 0;
  for (const double count : classes) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 480) << "uniform residues exceed it with probability below 2^-40";
}

TEST(PlanHiding, GivesEveryProgramItsPeriod) {
  const Plan hidden = plan_of(1, 0x1p-9);
  ASSERT_TRUE(hidden.program_plans[0].hiding);
  EXPECT_EQ(hidden.program_plans[0].hiding->period, kPeriod);
  EXPECT_GE(ckks::zero_encryptions(*hidden.context, hidden.keys, 0), hidden.program_plans[0].hiding->zeros);
  EXPECT_LE(ckks::flood_deviation(hidden.context->scale(0), *hidden.program_plans[0].hiding), 0x1p-9);
}

// Whatever is sent to a client that takes turns is made new with a key that the plan asks for, if need be a larger one.
TEST(PlanHiding, AsksForAKeyThatHoldsAnEncryptionOfZero) {
  const Plan plan =
      make_plan([](std::size_t slots) { return std::vector<Program>{one_turn(slots)}; }, {.max_value = 10});
  EXPECT_EQ(plan.program_plans[0].depth, 0);
  EXPECT_GE(ckks::zero_encryptions(*plan.context, plan.keys, 0), 1u);
}

TEST(Builder, RefusesOutputsBeyondThePeriod) {
  const auto finish = [](Slot slot, std::size_t period) {
    Builder b(8);
    const Value x = b.client_step("in", {}, {std::vector<SlotSource>(8)}, 1)[0];
    return std::move(b).finish(std::span(&x, 1), {{0, slot}}, period);
  };
  EXPECT_EQ(finish(3, 4).result_period, 4u);
  EXPECT_EQ(finish(7, 0).result_period, 8u);
  EXPECT_THROW(finish(4, 4), Error);
  EXPECT_THROW(finish(0, 3), Error);
  EXPECT_THROW(finish(0, 16), Error);
}

}  // namespace
}  // namespace thex::circuit
