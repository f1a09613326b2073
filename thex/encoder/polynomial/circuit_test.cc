#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/encoder_circuits.h"
#include "thex/circuit/accounting.h"
#include "thex/circuit/levels.h"
#include "thex/encoder/polynomial/builder.h"

namespace thex::encoder {
namespace {

using support::expect_equals_reference;
using support::random_ids;
using support::Shape;

model::ModelConfig polynomial_config(const Shape& shape, model::Norm norm = model::Norm::affine) {
  model::ModelConfig c = support::config_of(shape);
  c.activation = model::Activation::square;
  c.thex = model::HeSection{.softmax = model::Softmax::power, .norm = norm, .max_relu_input = 10, .max_logit = 10};
  return c;
}

std::shared_ptr<model::Model> polynomial_model(const Shape& shape, unsigned seed,
                                               model::Norm norm = model::Norm::affine) {
  return std::make_shared<model::Model>(support::random_model(polynomial_config(shape, norm), seed));
}

class OneRoundCircuit : public ::testing::TestWithParam<std::tuple<Shape, std::size_t>> {};

// The client's turns that a model takes, the first one included.
std::size_t turns_of(const Segments& segments, const Shape& shape) {
  if (segments.layers == 0) return 1;
  return static_cast<std::size_t>(1 + (shape.layers - 1) / segments.layers + (segments.halves ? shape.layers : 0));
}

// The circuit on doubles equals the clear reference for every length, whatever the packing, the norms and the
// refreshes.
TEST_P(OneRoundCircuit, EqualsTheReference) {
  struct Case {
    model::Norm norm;
    Segments segments;
    std::vector<int> buckets;
  };
  const auto& [shape, slots] = GetParam();
  for (const auto& [norm, segments, buckets] :
       {Case{model::Norm::affine, {}, {16, 64, 128}}, Case{model::Norm::affine, {1}, {64}},
        Case{model::Norm::affine, {2}, {16}}, Case{model::Norm::mean_square, {1, true}, {16, 128}},
        Case{model::Norm::mean_square, {}, {32}}}) {
    const auto model = polynomial_model(shape, 11, norm);
    const EncoderWeights weights(model);
    for (const int bucket : buckets) {
      SCOPED_TRACE("segments " + std::to_string(segments.layers) + " " + std::to_string(segments.halves));
      const PolynomialLayout layout(model->config, static_cast<std::size_t>(bucket), slots);
      const circuit::Program program = PolynomialBuilder(layout, weights, segments).build();
      EXPECT_EQ(program.steps.size(), turns_of(segments, shape));
      expect_equals_reference(*model, program, bucket);
      const auto ids = random_ids(bucket / 2, 5);
      support::expect_results_repeat(program, embed(*model, ids, std::vector<std::int32_t>(ids.size(), 0)), bucket / 2);
      const bool tokens = shape.task == model::Task::token_classification;
      EXPECT_EQ(program.result_period, tokens ? layout.period() : layout.label_period());
      if (!tokens) {
        EXPECT_LT(program.result_period, 2 * static_cast<std::size_t>(shape.labels) + 1);
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(
    Shapes, OneRoundCircuit,
    ::testing::Values(std::make_tuple(Shape{1, 64, 2, 128, 2}, 4096u), std::make_tuple(Shape{2, 64, 2, 256, 3}, 4096u),
                      std::make_tuple(Shape{2, 128, 2, 512, 2}, 16384u),
                      std::make_tuple(Shape{2, 96, 3, 200, 5}, 4096u), std::make_tuple(Shape{3, 80, 5, 200, 2}, 2048u),
                      std::make_tuple(Shape{2, 120, 6, 240, 2}, 4096u), std::make_tuple(Shape{3, 64, 1, 100, 8}, 8192u),
                      std::make_tuple(Shape{2, 64, 2, 128, 1, model::Task::regression}, 4096u),
                      std::make_tuple(Shape{2, 64, 2, 192, 9, model::Task::token_classification}, 4096u),
                      std::make_tuple(Shape{3, 96, 6, 200, 5, model::Task::token_classification}, 2048u)));

// Longer texts than a ciphertext has rows of all features: a head in each.
TEST(LongTexts, EqualTheReference) {
  for (const int bucket : {256, 512})
    for (const model::Task task : {model::Task::classification, model::Task::token_classification}) {
      const auto model = polynomial_model({2, 64, 2, 96, 3, task}, 11, model::Norm::mean_square);
      const PolynomialLayout layout(model->config, static_cast<std::size_t>(bucket),
                                    static_cast<std::size_t>(32 * bucket));
      expect_equals_reference(*model, PolynomialBuilder(layout, EncoderWeights(model), {1, true}).build(), bucket);
    }
}

// Sentences of a batch do not see each other, and an empty place gives no output.
TEST(OneRoundBatch, EqualsTheReferenceForEverySentence) {
  struct Case {
    Shape shape;
    std::size_t slots, bucket, sentences;
    model::Norm norm = model::Norm::affine;
    Segments segments = {};
  };
  const model::Norm deep = model::Norm::mean_square;
  for (const Case& c :
       {Case{{2, 64, 2, 128, 2}, 1024, 16, 1}, Case{{2, 64, 2, 128, 2}, 1024, 8, 2},
        Case{{2, 64, 2, 128, 2}, 2048, 8, 4}, Case{{2, 96, 3, 200, 5}, 4096, 16, 2},
        Case{{2, 128, 2, 512, 2}, 16384, 16, 8}, Case{{2, 128, 2, 512, 2}, 16384, 32, 4},
        Case{{2, 128, 2, 512, 2}, 16384, 64, 2}, Case{{1, 64, 2, 128, 3}, 2048, 16, 2},
        Case{{2, 64, 2, 192, 9, model::Task::token_classification}, 4096, 16, 4},
        Case{{3, 64, 2, 128, 2}, 2048, 16, 4, deep, {1, true}}, Case{{3, 96, 3, 128, 2}, 4096, 32, 4, deep, {2, false}},
        Case{{2, 64, 2, 128, 9, model::Task::token_classification}, 4096, 16, 8, deep, {1, true}}}) {
    const auto model = polynomial_model(c.shape, 11, c.norm);
    const PolynomialLayout layout(model->config, c.bucket, c.slots, c.sentences);
    EXPECT_EQ(layout.copies, 1u);
    const circuit::Program program = PolynomialBuilder(layout, EncoderWeights(model), c.segments).build();
    std::vector<double> embeddings(c.sentences * c.bucket * static_cast<std::size_t>(c.shape.hidden), 0.0), expected;
    std::vector<int> lengths;
    for (std::size_t s = 0; s < c.sentences; ++s) {
      const bool empty = s > 0 && s + 1 == c.sentences;
      lengths.push_back(empty ? 0 : static_cast<int>(std::min(c.bucket, 3 + 5 * s)));
      if (empty) continue;
      const auto ids = random_ids(lengths.back(), static_cast<unsigned>(20 + s));
      const std::vector<std::int32_t> types(ids.size(), 0);
      const std::vector<double> rows = embed(*model, ids, types);
      std::copy(rows.begin(), rows.end(),
                embeddings.begin() + static_cast<std::ptrdiff_t>(s * c.bucket) * c.shape.hidden);
      const std::vector<double> logits = forward(*model, ids, types).logits;
      expected.insert(expected.end(), logits.begin(), logits.end());
    }
    support::expect_results_repeat(program, embeddings, lengths);
    const std::vector<double> got = circuit::run_clear(program, embeddings, lengths).logits;
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t l = 0; l < got.size(); ++l)
      EXPECT_NEAR(got[l], expected[l], 1e-8 * (1 + std::abs(expected[l])))
          << c.sentences << " sentences of " << c.bucket << " tokens in " << c.slots << " slots, output " << l;
  }
}

TEST(OneRoundBatch, RefusesWhatLeavesRowsUnused) {
  EXPECT_THROW(PolynomialLayout(polynomial_config({2, 64, 2, 128, 2}), 8, 4096, 2), Error);
  EXPECT_THROW(PolynomialLayout(polynomial_config({2, 64, 2, 128, 2}), 64, 2048, 2), Error);
}

TEST(OneRoundCircuitDepth, IsSevenLevelsALayerAndOneToShear) {
  for (const Shape& shape : {Shape{1, 64, 2, 128, 2}, Shape{2, 64, 2, 128, 2}, Shape{3, 64, 2, 128, 2},
                             Shape{2, 64, 2, 128, 5, model::Task::token_classification}}) {
    const auto model = polynomial_model(shape, 3);
    for (const std::size_t bucket : {16u, 64u}) {
      const PolynomialLayout layout(model->config, bucket, 4096);
      const circuit::Program program = PolynomialBuilder(layout, EncoderWeights(model->config)).build();
      // The only query of a single layer is chosen on the way.
      const bool chosen = shape.layers == 1 && shape.task == model::Task::classification;
      // Keys and values of full layers are sheared.
      const int sheared = layout.shifts == 0 ? 0 : shape.layers - (shape.task == model::Task::classification ? 1 : 0);
      EXPECT_EQ(circuit::assign_levels(program).depth, 7 * shape.layers + (chosen ? 1 : 0) + sheared) << shape.layers;
    }
  }
}

// What the circuits of BERT-tiny's shape cost: more must not come in unnoticed.
TEST(OneRoundCircuitDepth, BertTinyCostsNoMore) {
  const Shape shape{2, 128, 2, 512, 2};
  const std::size_t rotations[] = {386, 456, 614, 1004};
  std::size_t bucket = 0;
  for (const std::size_t tokens : {16u, 32u, 64u, 128u}) {
    const PolynomialLayout layout(polynomial_config(shape), tokens, 16384);
    const circuit::Program program = PolynomialBuilder(layout, EncoderWeights(polynomial_config(shape))).build();
    ckks::KeyRequirements keys;
    const circuit::ProgramWork work = circuit::account(program, circuit::assign_levels(program), keys);
    EXPECT_LE(work.counts.rotations, rotations[bucket++]);
    EXPECT_LE(keys.rotations.size(), 30u);
  }
}

using ShapeAndProtocol = std::tuple<Shape, model::Protocol, model::Norm>;
class PolynomialEncrypted : public ::testing::TestWithParam<ShapeAndProtocol> {};

TEST_P(PolynomialEncrypted, OneSentenceEndToEnd) {
  const auto& [shape, protocol, norm] = GetParam();
  const auto model = std::make_shared<model::Model>(support::calm_polynomial_model(polynomial_config(shape, norm), 5));
  const auto ids = random_ids(11, 9);
  const model::ForwardResult expected = forward(*model, ids, std::vector<std::int32_t>(ids.size(), 0));
  double largest = 0;
  for (double logit : expected.logits) largest = std::max(largest, std::abs(logit));
  model->config.thex->max_logit = largest;
  PlanRequest request(16);
  request.protocol = protocol;
  const InferencePlan inference = plan_inference(std::shared_ptr<const model::Model>(model), request);
  EXPECT_EQ(inference.protocol, protocol);
  EXPECT_EQ(inference.rounds == 1, protocol == model::Protocol::one_round);
  EXPECT_EQ(inference.statistical_bits().has_value(), protocol == model::Protocol::masked_rounds);
  int exchanges = 0;
  const std::vector<double> logits = support::encrypted_logits(inference, *model, {ids}, exchanges);
  EXPECT_EQ(exchanges, inference.rounds - 1) << "nothing comes back in one round";
  ASSERT_EQ(logits.size(), expected.logits.size());
  for (std::size_t l = 0; l < expected.logits.size(); ++l) EXPECT_NEAR(logits[l], expected.logits[l], 2e-2);
}
INSTANTIATE_TEST_SUITE_P(
    Tasks, PolynomialEncrypted,
    ::testing::Values(
        ShapeAndProtocol{{1, 64, 2, 128, 2}, model::Protocol::one_round, model::Norm::affine},
        ShapeAndProtocol{{2, 64, 2, 128, 1, model::Task::regression}, model::Protocol::one_round, model::Norm::affine},
        ShapeAndProtocol{
            {1, 64, 2, 192, 9, model::Task::token_classification}, model::Protocol::one_round, model::Norm::affine},
        ShapeAndProtocol{{2, 64, 2, 192, 9, model::Task::token_classification},
                         model::Protocol::masked_rounds,
                         model::Norm::affine}));

// Three sentences of a batch whose scores are matrices.
TEST(OneRoundEncryptedBatch, OfShearedRows) {
  const auto model =
      std::make_shared<model::Model>(support::calm_polynomial_model(polynomial_config({2, 64, 2, 128, 2}), 5));
  const std::vector<std::vector<std::int32_t>> sentences = {random_ids(16, 1), random_ids(3, 2), random_ids(9, 3)};
  std::vector<double> expected;
  for (const auto& ids : sentences) {
    const model::ForwardResult result = forward(*model, ids, std::vector<std::int32_t>(ids.size(), 0));
    expected.insert(expected.end(), result.logits.begin(), result.logits.end());
  }
  for (double logit : expected)
    model->config.thex->max_logit = std::max(model->config.thex->max_logit, std::abs(logit));
  PlanRequest request(16);
  request.protocol = model::Protocol::one_round;
  const InferencePlan inference = plan_inference(std::shared_ptr<const model::Model>(model), request);
  ASSERT_EQ(inference.shapes.size(), 2u);
  const auto batch = static_cast<std::size_t>(inference.shapes[1].sentences);
  EXPECT_GT(PolynomialLayout(model->config, 16, inference.circuits.programs[1].slots, batch).shifts, 0u);
  int exchanges = 0;
  const std::vector<double> logits = support::encrypted_logits(inference, *model, sentences, exchanges, 1);
  ASSERT_EQ(logits.size(), expected.size());
  for (std::size_t l = 0; l < expected.size(); ++l) EXPECT_NEAR(logits[l], expected[l], 2e-2);
}

// Six layers have the levels they take, for large values without matrices of scores; seven have not.
TEST(OneRoundPlan, LeavesScoreMatricesOutWhereLevelsAreShort) {
  const auto depths = [](int layers, double max_logit) {
    model::ModelConfig config = polynomial_config({layers, 64, 2, 128, 2});
    config.thex->max_logit = max_logit;
    PlanRequest request(128);
    request.protocol = model::Protocol::one_round;
    const InferencePlan inference = plan_inference(config, request);
    EXPECT_GE(inference.largest_value(), 1.41 * kRangeMargin * config.thex->max_logit);
    std::pair<int, int> both{1000, 0};
    for (const auto& program : inference.circuits.program_plans) {
      both.first = std::min(both.first, program.depth.number());
      both.second = std::max(both.second, program.depth.number());
    }
    return both;
  };
  EXPECT_EQ(depths(2, 8), std::make_pair(14, 15));
  EXPECT_EQ(depths(6, 8), std::make_pair(42, 47));
  EXPECT_EQ(depths(6, 200), std::make_pair(42, 42));
  try {
    depths(7, 8);
    FAIL() << "seven layers fit";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("N=2^16: more than 47 levels are needed, in step 'layer6."), std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace thex::encoder
