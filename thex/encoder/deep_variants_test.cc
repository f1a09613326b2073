// Masked rounds for what a single classified sentence is not: tags for every word, batches, and long texts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "tests/support/encoder_circuits.h"
#include "thex/circuit/noise_model.h"
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

// Rows of padding are sent under masks like all others. Here they are far larger than tokens, which a constant brings
// near zero: what masks are made for must be as large, beside a short text and in empty places of a batch.
TEST(DeepVariants, MasksAreWideEnoughForPadding) {
  constexpr float kConstant = 0.5;
  constexpr int kLength = 5;
  const auto model = calibrated_model({3, 32, 2, 48, 2});
  for (float& bias : model->tensors.at("encoder.layer.0.attention.output.dense.bias").data) bias = kConstant;
  const auto ids = support::random_ids(kLength, 4);
  std::vector<double> text = embed(*model, ids, std::vector<std::int32_t>(ids.size(), 0));
  for (double& x : text) x = 0.02 * x - kConstant;
  calibrate(*model, std::span(&text, 1));
  const double tokens = model::measure_sizes(*model, std::span(&text, 1)).layers[0].attention_sum.rms;
  EXPECT_GT(model->config.thex->layers[0].attention_sum.rms, 2 * tokens);

  const InferencePlan plan = masked_plan(model);
  const std::size_t batch = plan.batch_program_for(4, 16);
  std::vector<double> batched = text;
  batched.resize(static_cast<std::size_t>(plan.shapes[batch].sentences * 16 * model->config.hidden));
  std::vector<int> lengths(static_cast<std::size_t>(plan.shapes[batch].sentences), 0);
  lengths[0] = kLength;
  const auto expect_counted = [&](std::size_t number, const std::vector<double>& embeddings,
                                  const circuit::Lengths& of) {
    const circuit::Program& program = plan.circuits.programs[number];
    const std::vector<double> squares = circuit::mean_squares(program);
    const auto values = circuit::trace_clear(program, embeddings, of);
    std::size_t refreshed = 0;
    for (const circuit::ClientStep& step : program.steps)
      for (const circuit::NodeId node : step.refreshed) {
        const circuit::NodeId hidden = program.nodes[node].inputs[0];
        double sum = 0;
        for (const double x : values[hidden]) sum += x * x;
        // Real and imaginary parts, where a value is a pair, are counted together.
        EXPECT_LT(std::sqrt(sum / static_cast<double>(program.slots)), 1.2 * std::sqrt(squares[hidden]))
            << "program " << number << ", value " << refreshed;
        ++refreshed;
      }
    EXPECT_GE(refreshed, 3u);
  };
  expect_counted(0, text, kLength);
  expect_counted(batch, batched, lengths);
}

}  // namespace
}  // namespace thex::encoder
