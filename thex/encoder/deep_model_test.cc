// A model of four layers by masked rounds, end to end; also under every instruction set.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/support/encoder_circuits.h"
#include "thex/encoder/calibration.h"

namespace thex::encoder {
namespace {

TEST(DeepModel, OfFourLayersEndToEnd) {
  model::ModelConfig config = support::config_of({4, 96, 3, 192, 2});
  config.activation = model::Activation::square;
  config.thex = model::HeSection{
      .softmax = model::Softmax::power, .norm = model::Norm::mean_square, .max_relu_input = 10, .max_logit = 10};
  const auto model = std::make_shared<model::Model>(support::calm_polynomial_model(config, 5));
  const auto ids = support::random_ids(11, 9);
  const std::vector<std::int32_t> types(ids.size(), 0);
  // Many layers are not precise enough for sizes that are only assumed.
  const std::vector<double> text = embed(*model, ids, types);
  calibrate(*model, std::span(&text, 1));
  const std::vector<double> expected = forward(*model, ids, types).logits;

  const InferencePlan plan = plan_inference(std::shared_ptr<const model::Model>(model), 16);
  EXPECT_EQ(plan.protocol, model::Protocol::masked_rounds) << "too deep for one round";
  EXPECT_GE(plan.statistical_bits().value(), 40);
  int exchanges = 0;
  const std::vector<double> logits =
      support::encrypted_logits(plan, *model, {ids}, exchanges, 0, circuit::Encoding::while_running);
  EXPECT_EQ(exchanges, plan.rounds - 1);
  EXPECT_GE(exchanges, 3);
  ASSERT_EQ(logits.size(), expected.size());
  for (std::size_t l = 0; l < logits.size(); ++l)
    EXPECT_NEAR(logits[l], expected[l], 5e-3 + 5 * plan.flood_deviation(0)) << "label " << l;
}

}  // namespace
}  // namespace thex::encoder
