#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/encoder_circuits.h"
#include "thex/base/error.h"
#include "thex/encoder/inference_plan.h"
#include "thex/encoder/the_x/builder.h"

namespace thex::encoder {
namespace {

using support::expect_equals_reference;
using support::random_ids;
using support::Shape;

std::shared_ptr<model::Model> he_model(const Shape& shape, unsigned seed) {
  model::ModelConfig c = support::config_of(shape);
  c.activation = model::Activation::relu;
  c.thex = model::HeSection{
      .softmax = model::Softmax::estimation, .norm = model::Norm::affine, .max_relu_input = 40, .max_logit = 40};
  return std::make_shared<model::Model>(support::random_model(c, seed));
}

class EncoderCircuit : public ::testing::TestWithParam<std::tuple<Shape, std::size_t>> {};

// The circuit on doubles equals the clear reference for every length, whatever the packing.
TEST_P(EncoderCircuit, EqualsTheReference) {
  const auto& [shape, slots] = GetParam();
  const auto model = he_model(shape, 11);
  const EncoderWeights weights(model);
  for (const int bucket : {16, 64, 128}) {
    const EncoderLayout layout(model->config, static_cast<std::size_t>(bucket), slots);
    const circuit::Program program = EncoderBuilder(layout, weights).build();
    EXPECT_EQ(program.steps.size(), 1u + 4u * static_cast<std::size_t>(shape.layers)) << "four rounds a layer";
    expect_equals_reference(*model, program, bucket);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Shapes, EncoderCircuit,
    ::testing::Values(std::make_tuple(Shape{1, 64, 2, 128, 2}, 4096u), std::make_tuple(Shape{2, 64, 2, 256, 3}, 1024u),
                      std::make_tuple(Shape{2, 128, 2, 512, 2}, 8192u), std::make_tuple(Shape{2, 96, 3, 200, 5}, 4096u),
                      std::make_tuple(Shape{3, 64, 1, 100, 8}, 2048u),
                      // More labels than rows: several batches.
                      std::make_tuple(Shape{1, 64, 2, 256, 64}, 1024u),
                      std::make_tuple(Shape{1, 64, 2, 200, 19}, 2048u),
                      std::make_tuple(Shape{1, 128, 2, 512, 64}, 8192u),
                      std::make_tuple(Shape{2, 64, 2, 128, 1, model::Task::regression}, 2048u),
                      // Three pieces of the feed-forward layer; one block and several.
                      std::make_tuple(Shape{2, 64, 2, 192, 9, model::Task::token_classification}, 4096u),
                      std::make_tuple(Shape{1, 96, 3, 200, 5, model::Task::token_classification}, 2048u),
                      std::make_tuple(Shape{1, 64, 2, 64, 64, model::Task::token_classification}, 8192u)));

// Whatever the client can read in the results is a logit: all other slots are zero, whatever the weights and the text.
TEST(EncoderCircuitResults, HoldNothingButLogits) {
  for (const Shape& shape : {Shape{1, 64, 2, 192, 9, model::Task::token_classification}, Shape{1, 64, 2, 256, 19},
                             Shape{1, 64, 2, 128, 1, model::Task::regression}}) {
    const auto model = he_model(shape, 5);
    const EncoderLayout layout(model->config, 32, 1024);
    const circuit::Program program = EncoderBuilder(layout, EncoderWeights(model)).build();
    const auto ids = random_ids(21, 3);
    const std::vector<std::int32_t> types(ids.size(), 0);
    const auto values = circuit::trace_clear(program, embed(*model, ids, types), 21);
    std::vector<std::vector<bool>> is_logit(program.results.size(), std::vector<bool>(layout.slots));
    for (const circuit::SlotSource& from : program.result_slots)
      is_logit[static_cast<std::size_t>(from.input)][from.slot] = true;
    const bool tokens = shape.task == model::Task::token_classification;
    EXPECT_EQ(program.result_slots.size(), static_cast<std::size_t>(shape.labels) * (tokens ? 32u : 1u));
    std::size_t others = 0;
    for (std::size_t r = 0; r < program.results.size(); ++r) {
      const auto& slots = values[program.results[r]];
      for (std::size_t s = 0; s < slots.size(); ++s) {
        if (is_logit[r][s]) {
          EXPECT_NE(slots[s], 0.0) << "result " << r << ", slot " << s;
        } else {
          ++others;
          ASSERT_EQ(slots[s], 0.0) << "result " << r << ", slot " << s;
        }
      }
    }
    EXPECT_GT(others, 0u);
  }
}

TEST(EncoderCircuitPlan, ClientAndServerAgree) {
  const auto model = he_model({2, 128, 2, 512, 2}, 3);
  const InferencePlan client = plan_inference(model->config, 32),
                      server = plan_inference(std::shared_ptr<const model::Model>(model), 32);
  EXPECT_EQ(client.fingerprint, server.fingerprint);
  EXPECT_EQ(client.fingerprint.size(), 32u);
  EXPECT_NE(client.fingerprint, plan_inference(model->config, 16).fingerprint);
  model::ModelConfig tokens = model->config;
  tokens.task = model::Task::token_classification;
  const InferencePlan of_tokens = plan_inference(tokens, 32);
  EXPECT_NE(client.fingerprint, of_tokens.fingerprint);
  const auto learns = [](const InferencePlan& plan, const std::string& what) {
    return std::any_of(plan.ledger.begin(), plan.ledger.end(), [&](const LedgerEntry& entry) {
      return entry.who == "client" && entry.what.find(what) != std::string::npos;
    });
  };
  EXPECT_TRUE(learns(of_tokens, "logits of every token"));
  EXPECT_FALSE(learns(client, "every token (of padding"));
  ASSERT_EQ(client.shapes.size(), 2u);
  EXPECT_EQ(client.shapes[0].tokens, 16);
  EXPECT_EQ(client.max_tokens(), 32);
  EXPECT_EQ(client.rounds, 8);
  EXPECT_EQ(client.program_for(16), 0u);
  EXPECT_EQ(client.program_for(17), 1u);
  EXPECT_THROW(client.program_for(33), Error);
  EXPECT_LE(client.circuits.context->log_qp(), ckks::max_log_qp_128(client.circuits.spec.log_n));
}

// Predictions follow the calibrated sizes, and without them do not grow without bound over the layers.
TEST(EncoderCircuitPlan, PrecisionFollowsTheLayersRanges) {
  const auto model = he_model({6, 64, 2, 128, 2}, 3);
  const auto bits = [&](const model::ModelConfig& config) {
    return plan_inference(config, 16).circuits.program_plans[0].result_bits.value();
  };
  model::ModelConfig config = model->config;
  const double assumed = bits(config);
  EXPECT_GT(assumed, 8);
  const model::LayerRanges small{.score = {1, 2},
                                 .cube = {1, 8},
                                 .cube_sum = {12, 40},
                                 .context = {0.5, 2},
                                 .attention_norm = {0.5, 2},
                                 .ffn = {0.5, 2},
                                 .output_norm = {0.5, 2}};
  config.thex->layers.assign(6, small);
  const double calm = bits(config);
  for (model::LayerRanges& r : config.thex->layers)
    r.score.rms = 1.2, r.cube.rms = 2, r.output_norm.rms = 1, r.attention_norm.rms = 1;
  EXPECT_LT(bits(config), calm);
  config.thex->layers[3].context.rms = 0;
  try {
    plan_inference(config, 16);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("layer 3"), std::string::npos) << e.what();
  }
}

// What the circuits of BERT-tiny's shape cost: more must not come in unnoticed.
TEST(EncoderCircuitPlan, BertTinyCostsNoMore) {
  const InferencePlan plan = plan_inference(he_model({2, 128, 2, 512, 2}, 3)->config, 128);
  EXPECT_EQ(plan.circuits.context->max_level(), 5);
  EXPECT_LE(plan.circuits.keys.rotations.size(), 45u);
  const std::size_t rotations[] = {390, 440, 893, 2143};
  for (std::size_t bucket = 0; bucket < 4; ++bucket)
    EXPECT_LE(plan.circuits.program_plans[bucket].counts.rotations, rotations[bucket]);
}

// Six layers, heads of 32, hidden size and feed-forward layer that are no powers of two.
TEST(EncoderCircuitPlan, MiniLmShapePlans) {
  model::ModelConfig config = he_model({6, 64, 2, 128, 2}, 3)->config;
  config.hidden = 384, config.heads = 12, config.ffn = 1536;
  const InferencePlan plan = plan_inference(config, 32);
  EXPECT_EQ(plan.rounds, 24);
  EXPECT_LE(plan.circuits.spec.log_n, 15);
  for (const circuit::ProgramPlan& bucket : plan.circuits.program_plans) EXPECT_GT(bucket.result_bits.value(), 8);
}

TEST(EncoderCircuitPlan, NamesWhatItCannotPack) {
  const auto model = he_model({1, 64, 2, 128, 2}, 3);
  model::ModelConfig plain = model->config;
  plain.activation = model::Activation::gelu;
  EXPECT_THROW(plan_inference(plain), Error);
  model::ModelConfig narrow = model->config;
  narrow.heads = 8;
  try {
    plan_inference(narrow);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("head size 8"), std::string::npos) << e.what();
  }
  model::ModelConfig many = model->config;
  many.labels.assign(65, "x");
  try {
    plan_inference(many);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("65 labels; between 1 and 64"), std::string::npos) << e.what();
  }
}

// Two results of padded rows: what they hold does not depend on the text.
TEST(EncoderCircuitResults, PaddingHoldsAConstantOfTheModel) {
  const Shape shape{2, 64, 2, 128, 3, model::Task::token_classification};
  const auto model = he_model(shape, 6);
  const EncoderLayout layout(model->config, 16, 2048);
  circuit::Program program = EncoderBuilder(layout, EncoderWeights(model)).build();
  for (circuit::SlotSource& from : program.result_slots) from.token = -1;  // show padding too
  const auto outputs = [&](unsigned seed, int length) {
    const auto ids = random_ids(length, seed);
    return circuit::run_clear(program, embed(*model, ids, std::vector<std::int32_t>(ids.size(), 0)), length).logits;
  };
  const auto a = outputs(1, 7), b = outputs(2, 12);
  ASSERT_EQ(a.size(), 48u);
  for (std::size_t i = 12 * 3; i < 48; ++i) {
    EXPECT_NEAR(a[i], b[i], 1e-9);
    EXPECT_NEAR(a[i], a[12 * 3 + i % 3], 1e-9);
  }
  EXPECT_NE(a[0], b[0]);
}

class EncoderCircuitEncrypted : public ::testing::TestWithParam<Shape> {};

TEST_P(EncoderCircuitEncrypted, OneSentenceEndToEnd) {
  const auto model = he_model(GetParam(), 5);
  const InferencePlan inference = plan_inference(std::shared_ptr<const model::Model>(model), 16);
  const auto ids = random_ids(11, 9);
  int exchanges = 0;
  const std::vector<double> logits = support::encrypted_logits(inference, *model, {ids}, exchanges);
  EXPECT_EQ(exchanges, inference.rounds);
  const model::ForwardResult expected = forward(*model, ids, std::vector<std::int32_t>(ids.size(), 0));
  ASSERT_EQ(logits.size(), expected.logits.size());
  for (std::size_t l = 0; l < expected.logits.size(); ++l) EXPECT_NEAR(logits[l], expected.logits[l], 1e-3);
}
INSTANTIATE_TEST_SUITE_P(Tasks, EncoderCircuitEncrypted,
                         ::testing::Values(Shape{2, 64, 2, 128, 2}, Shape{1, 64, 2, 128, 1, model::Task::regression},
                                           Shape{1, 64, 2, 256, 64},
                                           Shape{1, 64, 2, 192, 9, model::Task::token_classification}));

}  // namespace
}  // namespace thex::encoder
