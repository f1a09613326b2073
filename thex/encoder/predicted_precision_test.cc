// What a plan predicts of the logits' precision, beside simulated runs of the model's own circuit.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/encoder_circuits.h"
#include "thex/encoder/calibration.h"

namespace thex::encoder {
namespace {

using Texts = std::vector<std::vector<double>>;

struct Case {
  const char* name;
  model::Protocol protocol;
  support::Shape shape;
  model::Norm norm;
  double growth;  // what the norms' factors are multiplied by: whether layers shrink errors or enlarge them
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

model::Model model_of(const Case& c) {
  const model::ProtocolRow& row = row_of(c.protocol);
  model::ModelConfig config = support::config_of(c.shape);
  config.activation = row.activation;
  config.thex = model::HeSection{.softmax = row.softmax, .norm = c.norm, .max_relu_input = 10, .max_logit = 10};
  model::Model model = support::calm_polynomial_model(config, 5);
  for (auto& [name, tensor] : model.tensors)
    if (name.starts_with("encoder.") && name.ends_with("LayerNorm.weight"))
      for (float& value : tensor.data) value = static_cast<float>(c.growth * value);
  return model;
}

PlanRequest request_of(model::Protocol protocol, int tokens) {
  PlanRequest request(tokens);
  request.protocol = protocol;
  return request;
}

std::vector<double> text_of(const model::Model& model, int tokens, std::uint64_t seed) {
  const auto ids = support::random_ids(tokens, seed);
  return embed(model, ids, std::vector<std::int32_t>(ids.size(), 0));
}

class PredictedPrecision : public ::testing::TestWithParam<Case> {};

// Of every single sentence's circuit; measured on other texts than the simulated ones.
TEST_P(PredictedPrecision, IsWithinThreeBitsOfTheSimulatedOne) {
  const auto model = std::make_shared<model::Model>(model_of(GetParam()));
  calibrate(*model, Texts{text_of(*model, 12, 1), text_of(*model, 24, 2)});
  const InferencePlan plan =
      plan_inference(std::shared_ptr<const model::Model>(model), request_of(GetParam().protocol, 32));
  for (std::size_t i = 0; i < plan.bucket_count(); ++i) {
    const int tokens = plan.shapes[i].tokens - 2;
    const circuit::ProgramPlan& levels = plan.circuits.program_plans[i];
    const double simulated =
        circuit::simulate_noise(plan.circuits.programs[i], {plan.circuits.context.get(), &levels, 3},
                                text_of(*model, tokens, 3), tokens)
            .result_bits();
    ASSERT_TRUE(levels.result_bits);
    EXPECT_NEAR(*levels.result_bits, simulated, 3) << tokens << " tokens";
    RecordProperty("off_" + std::to_string(tokens), std::to_string(simulated - *levels.result_bits));
  }
}

using enum model::Protocol;
INSTANTIATE_TEST_SUITE_P(
    Models, PredictedPrecision,
    ::testing::Values(
        Case{"FourLayers", masked_rounds, {4, 64, 4, 128, 2}, model::Norm::mean_square, 1.3},
        Case{"SixLayersThatShrinkErrors", masked_rounds, {6, 32, 2, 64, 3}, model::Norm::mean_square, 1},
        Case{"SixLayersThatEnlargeErrors", masked_rounds, {6, 32, 2, 64, 3}, model::Norm::mean_square, 1.8},
        Case{"AffineNorms", masked_rounds, {6, 32, 2, 64, 2}, model::Norm::affine, 1.6},
        Case{"OneRound", one_round, {2, 64, 2, 128, 2}, model::Norm::affine, 1.6}),
    [](const auto& of) { return of.param.name; });

// However many layers: where nothing was measured errors count as kept.
TEST(PredictedPrecisionOfDeepModels, DoesNotFallWithEveryLayer) {
  Case deep{"", masked_rounds, {3, 32, 2, 64, 2}, model::Norm::mean_square, 1};
  std::vector<double> bits;
  for (const int layers : {3, 24}) {
    deep.shape.layers = layers;
    const InferencePlan plan = plan_inference(model_of(deep).config, request_of(masked_rounds, 16));
    bits.push_back(plan.circuits.program_plans.front().result_bits.value());
  }
  EXPECT_GT(bits[1], bits[0] - 2);
}

// A plan that would lose too many bits is refused, with what its user can do.
TEST(PredictedPrecisionOfDeepModels, RefusesPlans) {
  model::Model model = model_of({"", masked_rounds, {4, 32, 2, 64, 2}, model::Norm::mean_square, 1});
  calibrate(model, Texts{text_of(model, 12, 1)});
  const PlanRequest request = request_of(masked_rounds, 16);
  EXPECT_NO_THROW(plan_inference(model.config, request));
  const auto refusal = [&] {
    return support::error_of(ErrorCode::crypto, [&] { plan_inference(model.config, request); });
  };
  for (model::LayerRanges& layer : model.config.thex->layers) layer.sensitivity->attention_sum = 1e6;
  EXPECT_NE(refusal().find("--final-steps"), std::string::npos) << refusal();
  for (model::LayerRanges& layer : model.config.thex->layers) layer.sensitivity.reset(), layer.ffn = {1e5, 1e6};
  EXPECT_NE(refusal().find("thex calibrate"), std::string::npos) << refusal();
}

// What is refreshed counts with the size that calibration measured, whatever predictions make of its inputs: masks are
// sized by it.
TEST(PredictedPrecisionOfDeepModels, CountsRefreshedValuesAsTheyWereMeasured) {
  model::Model model = model_of({"", masked_rounds, {3, 32, 2, 64, 2}, model::Norm::mean_square, 1});
  calibrate(model, Texts{text_of(model, 12, 1)});
  std::vector<double> expected;  // after attention and after a layer, in turn
  for (int layer = 0; layer < 3; ++layer) {
    model::LayerRanges& ranges = model.config.thex->layers[static_cast<std::size_t>(layer)];
    ranges.attention_sum = {3.0 + layer, 30}, ranges.output_norm = {5.0 + layer, 50};
    expected.insert(expected.end(), {3.0 + layer, 5.0 + layer});
  }
  expected.pop_back();  // of the last layer the logits follow
  const InferencePlan plan = plan_inference(model.config, request_of(masked_rounds, 16));
  ASSERT_TRUE(plan.segments.halves);
  const circuit::Program& program = plan.circuits.programs.front();
  const std::vector<double> squares = circuit::mean_squares(program);
  std::vector<double> sizes;
  for (const circuit::Node& node : program.nodes)
    if (node.op == circuit::Op::refresh) sizes.push_back(std::sqrt(squares[node.inputs[0]]));
  ASSERT_EQ(sizes.size(), expected.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_DOUBLE_EQ(sizes[i], expected[i]) << "refresh " << i;
}

}  // namespace
}  // namespace thex::encoder
