// Whatever a configuration asks for is planned or refused with bounded work: counted here, not timed.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/encoder_circuits.h"
#include "thex/encoder/inference_plan.h"

namespace thex::encoder {
namespace {

using support::Shape;

model::ModelConfig config_for(model::Protocol protocol, const Shape& shape) {
  model::ModelConfig config = support::config_of(shape);
  const bool polynomial = protocol == model::Protocol::one_round;
  config.activation = polynomial ? model::Activation::square : model::Activation::relu;
  config.thex = model::HeSection{.softmax = polynomial ? model::Softmax::power : model::Softmax::estimation,
                                 .norm = model::Norm::affine,
                                 .max_relu_input = 40,
                                 .max_logit = 8};
  return config;
}

std::string refusal(const model::ModelConfig& config, model::Protocol protocol) {
  PlanRequest request;
  request.protocol = protocol;
  return support::error_of(ErrorCode::crypto, [&] { plan_inference(config, request); });
}

void expect_all(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
}

// The levels of one round run out in the first layers: the others are not built.
TEST(PlanLimits, ModelsTooDeepForOneRoundAreRefused) {
  for (const Shape& shape : {Shape{256, 128, 2, 512, 2}, Shape{12, 768, 12, 3072, 2}})
    expect_all(refusal(config_for(model::Protocol::one_round, shape), model::Protocol::one_round),
               {"levels are needed, in step 'layer", "N=2^16: more than", "fewer layers", "--protocol masked-rounds"});
}

TEST(PlanLimits, CircuitsThatAreTooLargeAreRefused) {
  const circuit::ProgramLimits limits;
  expect_all(refusal(config_for(model::Protocol::the_x, {256, 1024, 32, 4096, 64}), model::Protocol::the_x),
             {"N=2^16: more than " + std::to_string(limits.nodes) + " nodes are needed, in step 'layer",
              "N=2^15: too small, as N=2^16 is", "fewer layers", "--max-tokens"});
}

// BERT-base's shape, in several rounds: its plan is large, and within the limits.
TEST(PlanLimits, BertBaseIsPlanned) {
  const InferencePlan plan = plan_inference(config_for(model::Protocol::the_x, {12, 768, 12, 3072, 2}));
  EXPECT_EQ(plan.max_tokens(), 128);
  EXPECT_EQ(plan.rounds, 48);
  const circuit::ProgramLimits limits;
  std::size_t nodes = 0, operands = 0, sources = 0;
  for (const circuit::Program& program : plan.circuits.programs) {
    nodes += program.nodes.size();
    operands += program.operands;
    // All full layers return the same: what differs is the last one, and the first.
    const circuit::ClientStep &second = program.steps[5], &third = program.steps[9];
    ASSERT_EQ(second.sources.size(), third.sources.size());
    for (std::size_t i = 0; i < second.sources.size(); ++i)
      sources += second.sources[i].identity() == third.sources[i].identity() ? 0 : 1;
  }
  EXPECT_LE(nodes, limits.nodes);
  EXPECT_LE(operands, limits.operands);
  EXPECT_EQ(sources, 0u);
}

// States so large that no mask of any chain hides them.
TEST(PlanLimits, SizesThatMasksCannotHideAreRefused) {
  model::ModelConfig config = config_for(model::Protocol::one_round, {6, 128, 2, 512, 2});
  config.thex->norm = model::Norm::mean_square;
  model::LayerRanges usual;
  for (model::Range model::LayerRanges::*point :
       {&model::LayerRanges::score, &model::LayerRanges::cube, &model::LayerRanges::cube_sum,
        &model::LayerRanges::context, &model::LayerRanges::attention_sum, &model::LayerRanges::attention_norm,
        &model::LayerRanges::ffn, &model::LayerRanges::output_norm})
    usual.*point = {1, 10};
  config.thex->layers.assign(6, usual);
  EXPECT_GE(plan_inference(config, 32).statistical_bits().value(), 40);
  for (model::LayerRanges& layer : config.thex->layers) layer.attention_sum = layer.output_norm = {1e9, 1e10};
  expect_all(refusal(config, model::Protocol::masked_rounds), {"masks of 83 bits above the scale", "1747 bits"});
}

// MiniLM's, BERT-base's and BERT-large's layers: as many ciphertexts as their heads fill, and no more rounds than two a
// layer.
TEST(PlanLimits, WideShapesArePlannedInMaskedRounds) {
  struct Wide {
    Shape shape;
    std::size_t groups;  // of 64 columns for 128 tokens of N = 2^14
  };
  for (const Wide& wide :
       {Wide{{6, 384, 12, 1536, 2}, 6}, Wide{{12, 768, 12, 3072, 2}, 12}, Wide{{24, 1024, 16, 4096, 2}, 16}}) {
    model::ModelConfig config = config_for(model::Protocol::one_round, wide.shape);
    config.thex->norm = model::Norm::mean_square;
    const InferencePlan plan = plan_inference(config);
    EXPECT_EQ(plan.protocol, model::Protocol::masked_rounds);
    EXPECT_EQ(plan.max_tokens(), 128);
    EXPECT_EQ(plan.circuits.spec.log_n, 14);
    EXPECT_LE(plan.rounds, 2 * wide.shape.layers);
    EXPECT_GE(plan.statistical_bits().value(), 40);
    const circuit::Program& longest = plan.circuits.programs[plan.program_for(128)];
    EXPECT_EQ(longest.steps[1].refreshed.size(), wide.groups / 2) << "two groups in one ciphertext, none half empty";
  }
}

}  // namespace
}  // namespace thex::encoder
