#include "thex/ckks/linear_transform.h"

#include <thread>

#include "tests/support/ckks.h"
#include "thex/ckks/sum_of_rotations.h"

namespace thex::ckks {
namespace {

using support::error_of;
using support::expect_error;
using support::identical;
using support::Party;
using support::Slots;

// Pieces of work on three threads, to show that they are independent.
void threads_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  std::vector<std::jthread> workers;
  for (std::size_t t = 0; t < 3; ++t) {
    workers.emplace_back([&, t] {
      for (std::size_t i = t; i < count; i += 3) body(i);
    });
  }
}

struct Factor {
  int giant;
  std::size_t input;
  int steps;
  std::vector<double> values;
};

class LinearTransforms : public ::testing::TestWithParam<support::NamedSpec> {
 protected:
  Party& p = support::party(GetParam().name);

  std::vector<double> values(std::size_t period, std::uint64_t seed) { return support::random_reals(period, seed); }

  // The transform, its factors in `store`, and what it should give.
  LinearTransform transform(const std::vector<Factor>& factors, int giant_step, Level level, double scale,
                            std::vector<Plaintext>& store) {
    store.reserve(factors.size());
    LinearTransform t{.giant_step = giant_step};
    for (const Factor& f : factors) {
      store.push_back(p.encoder.encode_extended(f.values, level, scale));
      t.at[f.giant].push_back({f.input, f.steps, &store.back()});
    }
    return t;
  }

  Slots expected(const std::vector<Slots>& inputs, const std::vector<Factor>& factors, int giant_step) const {
    Slots sum(p.context->slots());
    for (const Factor& f : factors) {
      Slots term = support::rotated(inputs[f.input], f.steps);
      for (std::size_t i = 0; i < term.size(); ++i) term[i] *= f.values[i % f.values.size()];
      term = support::rotated(term, f.giant * giant_step);
      for (std::size_t i = 0; i < term.size(); ++i) sum[i] += term[i];
    }
    return sum;
  }
};

// Baby and giant steps on both sides of zero, two inputs, compact and full factors in one sum, and a transform beside
// it that shares baby steps; at the top level and at level 1.
TEST_P(LinearTransforms, AreSumsOfRotationsTimesFactors) {
  for (const Level level : {p.top(), Level(1)}) {
    const double scale = p.context->scale(level);
    const std::vector<Slots> slots = {support::random_slots(p.context->slots(), 1),
                                      support::random_slots(p.context->slots(), 2)};
    const Ciphertext a = p.encrypt(slots[0], level), b = p.encrypt(slots[1], level);
    const std::vector<Factor> both = {
        {0, 0, 0, values(64, 3)}, {0, 0, 1, values(64, 4)},  {0, 1, 3, values(p.context->slots(), 5)},
        {2, 0, 1, values(64, 6)}, {2, 1, -1, values(16, 7)}, {-1, 0, 3, values(64, 8)},
        {-2, 1, 0, values(4, 9)}};
    const std::vector<Factor> babies = {{0, 0, 1, values(64, 10)}, {0, 1, 3, values(64, 11)}};
    const std::vector<Factor> negative = {{-1, 0, 1, values(64, 12)}};
    const int giant[] = {4, 8, 1};
    const std::vector<Factor>* const factors[] = {&both, &babies, &negative};
    std::vector<Plaintext> store[3];
    std::vector<LinearTransform> transforms;
    for (std::size_t t = 0; t < 3; ++t) {
      transforms.push_back(transform(*factors[t], giant[t], level, scale, store[t]));
    }
    const Ciphertext* const inputs[] = {&a, &b};
    const std::vector<Ciphertext> results = linear_transforms(*p.context, inputs, transforms, p.keys);
    const std::vector<Ciphertext> threaded = linear_transforms(*p.context, inputs, transforms, p.keys, threads_for);
    ASSERT_EQ(results.size(), 3u);
    for (std::size_t t = 0; t < 3; ++t) {
      EXPECT_EQ(results[t].level, level - 1);
      EXPECT_TRUE(support::identical(results[t], threaded[t])) << t;
      // Fresh errors and rounded factors of a few terms, the key switches, one rescaling.
      const double bound = 12 * (p.fresh_bound(level) + p.switch_bound(level, scale)) +
                           p.rounding_bound(results[t].scale) + p.switch_bound(level, results[t].scale);
      EXPECT_LT(error_of(p.decrypt(results[t]), expected(slots, *factors[t], giant[t])), bound)
          << "transform " << t << " at level " << level;
    }
  }
}

// Without rotations there is nothing to divide by P.
TEST_P(LinearTransforms, WithoutRotationsEqualsTheWeightedSum) {
  const Level level = p.top();
  const Ciphertext a = p.encrypt(support::random_slots(p.context->slots(), 1), level);
  const Ciphertext b = p.encrypt(support::random_slots(p.context->slots(), 2), level);
  std::vector<Plaintext> store;
  const LinearTransform t =
      transform({{0, 0, 0, values(64, 3)}, {0, 1, 0, values(64, 4)}}, 0, level, p.context->scale(level), store);
  const Ciphertext* const inputs[] = {&a, &b};
  const Ciphertext result = linear_transforms(*p.context, inputs, std::span(&t, 1), EvaluationKeys{})[0];
  const Plaintext* const factors[] = {&store[0], &store[1]};
  EXPECT_TRUE(identical(result, p.evaluator.rescale(p.evaluator.inner_product_plain(inputs, factors))));
}

TEST_P(LinearTransforms, SumOfRotations) {
  for (const Level level : {p.top(), Level(0)}) {
    std::vector<Slots> slots;
    std::vector<Ciphertext> ciphertexts;
    const std::vector<int> steps = {0, 1, -1, 4, 1};
    Slots sum(p.context->slots());
    for (std::size_t k = 0; k < steps.size(); ++k) {
      slots.push_back(support::random_slots(p.context->slots(), 20 + k));
      ciphertexts.push_back(p.encrypt(slots.back(), level));
      const Slots term = support::rotated(slots.back(), steps[k]);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += term[i];
    }
    std::vector<const Ciphertext*> inputs;
    for (const Ciphertext& c : ciphertexts) inputs.push_back(&c);
    const Ciphertext result = sum_of_rotations(*p.context, inputs, steps, p.keys);
    EXPECT_EQ(result.level, level);
    EXPECT_LT(error_of(p.decrypt(result), sum), 5 * p.fresh_bound(level) + 5 * p.switch_bound(level, result.scale));
    EXPECT_TRUE(identical(result, sum_of_rotations(*p.context, inputs, steps, p.keys, threads_for)));
  }
}

// Rotations of one input share its digits; the result is that of copies of it.
TEST_P(LinearTransforms, SumOfRotationsOfOneInput) {
  const Level level = p.top();
  const Slots slots = support::random_slots(p.context->slots(), 30);
  const Ciphertext a = p.encrypt(slots, level), b = a, c = a;
  const std::vector<int> steps = {0, 1, 4};
  const std::vector<const Ciphertext*> same = {&a, &a, &a}, copies = {&a, &b, &c};
  const Ciphertext result = sum_of_rotations(*p.context, same, steps, p.keys);
  EXPECT_TRUE(identical(result, sum_of_rotations(*p.context, copies, steps, p.keys)));
  EXPECT_TRUE(identical(result, sum_of_rotations(*p.context, same, steps, p.keys, threads_for)));
  Slots sum(slots.size());
  for (const int step : steps) {
    const Slots term = support::rotated(slots, step);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += term[i];
  }
  EXPECT_LT(error_of(p.decrypt(result), sum), 3 * p.fresh_bound(level) + 3 * p.switch_bound(level, result.scale));
}

INSTANTIATE_TEST_SUITE_P(Parameters, LinearTransforms, ::testing::ValuesIn(support::specs()), support::name_of);

TEST(LinearTransformErrors, NameWhatIsWrong) {
  Party& p = support::party("n13_alpha2");
  const Ciphertext a = p.encrypt(support::random_slots(p.context->slots(), 1), p.top());
  const Ciphertext lower = p.evaluator.drop_to(a, 1), bottom = p.evaluator.drop_to(a, 0);
  const std::vector<double> ones(16, 1.0);
  const Plaintext good = p.encoder.encode_extended(ones, p.top(), p.context->scale(p.top()));
  const Plaintext plain = p.encoder.encode(std::span<const double>(ones), p.top(), p.context->scale(p.top()));
  const auto run = [&](const Ciphertext& x, const LinearTransform& t) {
    const Ciphertext* const input = &x;
    linear_transforms(*p.context, std::span(&input, 1), std::span(&t, 1), p.keys);
  };
  expect_error(ErrorCode::crypto, {"level 0"}, [&] { run(bottom, {.at = {{0, {{0, 0, &good}}}}}); });
  expect_error(ErrorCode::crypto, {"level 1", "level 3"}, [&] { run(lower, {.at = {{0, {{0, 0, &good}}}}}); });
  expect_error(ErrorCode::crypto, {"encode_extended"}, [&] { run(a, {.at = {{0, {{0, 1, &plain}}}}}); });
  expect_error(ErrorCode::crypto, {"input 1"}, [&] { run(a, {.at = {{0, {{1, 0, &good}}}}}); });
  expect_error(ErrorCode::crypto, {"without terms"}, [&] { run(a, {}); });
  expect_error(ErrorCode::keys, {"17"}, [&] { run(a, {.at = {{0, {{0, 17, &good}}}}}); });
  const Ciphertext* const inputs[] = {&a, &lower};
  const int steps[] = {0, 1};
  expect_error(ErrorCode::crypto, {"levels 3 and 1"}, [&] { sum_of_rotations(*p.context, inputs, steps, p.keys); });
}

}  // namespace
}  // namespace thex::ckks
