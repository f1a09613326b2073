// Masked rounds for what a single classified sentence is not: tags for every word, batches, and long texts.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/support/encoder_circuits.h"
#include "thex/encoder/calibration.h"

namespace thex::encoder {
namespace {

std::shared_ptr<model::Model> calibrated_model(const support::Shape& shape, int tokens = 16) {
  model::ModelConfig config = support::config_of(shape);
  config.activation = model::Activation::square;
  config.thex = model::HeSection{
      .softmax = model::Softmax::power, .norm = model::Norm::mean_square, .max_relu_input = 10, .max_logit = 10};
  const auto model = std::make_shared<model::Model>(support::calm_polynomial_model(config, 5));
  const auto ids = support::random_ids(tokens, 9);
  const std::vector<double> text = embed(*model, ids, std::vector<std::int32_t>(ids.size(), 0));
  calibrate(*model, std::span(&text, 1));
  return model;
}

InferencePlan masked_plan(const std::shared_ptr<model::Model>& model, int tokens = 16) {
  PlanRequest request(tokens);
  request.protocol = model::Protocol::masked_rounds;
  return plan_inference(std::shared_ptr<const model::Model>(model), request);
}

// Encrypted logits of the sentences, each beside those in clear.
void expect_as_in_clear(const InferencePlan& plan, const model::Model& model,
                        const std::vector<std::vector<std::int32_t>>& sentences, std::size_t program) {
  std::vector<double> expected;
  for (const auto& ids : sentences) {
    const std::vector<double> logits = forward(model, ids, std::vector<std::int32_t>(ids.size(), 0)).logits;
    expected.insert(expected.end(), logits.begin(), logits.end());
  }
  int exchanges = 0;
  const std::vector<double> logits = support::encrypted_logits(plan, model, sentences, exchanges, program);
  EXPECT_EQ(exchanges, plan.rounds - 1);
  ASSERT_EQ(logits.size(), expected.size());
  for (std::size_t l = 0; l < logits.size(); ++l)
    EXPECT_NEAR(logits[l], expected[l], 5e-3 + 5 * plan.flood_deviation(program)) << "output " << l;
}

TEST(DeepVariants, TagsOfEveryToken) {
  const auto model = calibrated_model({3, 64, 2, 96, 5, model::Task::token_classification});
  const InferencePlan plan = masked_plan(model);
  EXPECT_GE(plan.statistical_bits().value(), 40);
  expect_as_in_clear(plan, *model, {support::random_ids(13, 3)}, 0);
}

TEST(DeepVariants, ABatchWithAnEmptyPlace) {
  const auto model = calibrated_model({3, 64, 2, 96, 2});
  const InferencePlan plan = masked_plan(model);
  const std::size_t program = plan.batch_program_for(3, 16);
  ASSERT_GE(plan.shapes[program].sentences, 4);
  expect_as_in_clear(plan, *model, {support::random_ids(16, 3), support::random_ids(5, 4), support::random_ids(9, 6)},
                     program);
}

TEST(DeepVariants, LongTexts) {
  const auto model = calibrated_model({2, 32, 2, 48, 2}, 512);
  const InferencePlan plan = masked_plan(model, 512);
  for (const int length : {200, 403}) {
    const std::size_t program = plan.program_for(length);
    EXPECT_EQ(plan.shapes[program].tokens, length < 256 ? 256 : 512);
    expect_as_in_clear(plan, *model, {support::random_ids(length, 3)}, program);
  }
}

}  // namespace
}  // namespace thex::encoder
