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

// Of six layers, with states of that size where they are refreshed.
model::ModelConfig with_states_near(double size) {
  model::ModelConfig config = config_for(model::Protocol::one_round, {6, 128, 2, 512, 2});
  config.thex->norm = model::Norm::mean_square;
  model::LayerRanges layer;
  for (model::Range model::LayerRanges::*point :
       {&model::LayerRanges::score, &model::LayerRanges::cube, &model::LayerRanges::cube_sum,
        &model::LayerRanges::context, &model::LayerRanges::attention_norm, &model::LayerRanges::ffn})
    layer.*point = {1, 10};
  layer.attention_sum = layer.output_norm = {size, 10 * size};
  config.thex->layers.assign(6, layer);
  return config;
}

// States so large that no mask of any chain hides them.
TEST(PlanLimits, SizesThatMasksCannotHideAreRefused) {
  EXPECT_GE(plan_inference(with_states_near(1), 32).statistical_bits().value(), 40);
  expect_all(refusal(with_states_near(1e9), model::Protocol::masked_rounds),
             {"masks of 83 bits above the scale", "1747 bits", "`thex calibrate` measures those anew"});
}

// From sizes that every chain has masks for to sizes that none has: what is planned hides them, and who is refused is
// told what to do.
TEST(PlanLimits, NoPlanHidesLessWhateverTheSizes) {
  PlanRequest request(32);
  request.protocol = model::Protocol::masked_rounds;
  int planned = 0, refused = 0;
  for (double size = 1; size < 1e7; size *= 16) {
    SCOPED_TRACE("states near " + std::to_string(size));
    try {
      const InferencePlan plan = plan_inference(with_states_near(size), request);
      EXPECT_EQ(plan.protocol, model::Protocol::masked_rounds);
      EXPECT_GE(plan.statistical_bits().value(), 40);
      ++planned;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::crypto);
      const std::string text = error.what();
      EXPECT_TRUE(text.find("`thex ") != std::string::npos) << text;
      ++refused;
    }
  }
  EXPECT_GE(planned, 1);
  EXPECT_GE(refused, 1);
}

// MiniLM's, BERT-base's and BERT-large's layers: in every circuit as many ciphertexts travel as the features of all
// tokens fill, two of them as a pair, where features padded to a power of two would fill more; two rounds a layer.
TEST(PlanLimits, WideShapesArePlannedInMaskedRounds) {
  for (const Shape& shape : {Shape{6, 384, 12, 1536, 2}, Shape{12, 768, 12, 3072, 2}, Shape{24, 1024, 16, 4096, 2}}) {
    SCOPED_TRACE("hidden size " + std::to_string(shape.hidden));
    model::ModelConfig config = config_for(model::Protocol::one_round, shape);
    config.thex->norm = model::Norm::mean_square;
    const InferencePlan plan = plan_inference(config);
    EXPECT_EQ(plan.protocol, model::Protocol::masked_rounds);
    EXPECT_EQ(plan.bucket_count(), 4u);
    EXPECT_EQ(plan.max_tokens(), 128);
    EXPECT_GT(plan.shapes.size(), plan.bucket_count()) << "batches";
    EXPECT_EQ(plan.circuits.spec.log_n, 14);
    EXPECT_EQ(plan.rounds, 2 * shape.layers);
    EXPECT_GE(plan.statistical_bits().value(), 40);
    for (std::size_t i = 0; i < plan.shapes.size(); ++i) {
      SCOPED_TRACE(to_string(plan.shapes[i]));
      const circuit::Program& program = plan.circuits.programs[i];
      EXPECT_EQ(program.steps.size(), static_cast<std::size_t>(plan.rounds));
      const auto features = static_cast<std::size_t>(plan.shapes[i].tokens * plan.shapes[i].sentences * shape.hidden);
      const std::size_t filled = (features + program.slots - 1) / program.slots;
      for (std::size_t step = 1; step < program.steps.size(); ++step)
        EXPECT_EQ(program.steps[step].refreshed.size(), (filled + 1) / 2) << program.steps[step].label;
    }
  }
}

}  // namespace
}  // namespace thex::encoder
