// The plan's fingerprint: equal on both sides, whatever the weights; another one for whatever they must agree on.
#include "thex/encoder/inference_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "tests/support/encoder_circuits.h"
#include "thex/base/error.h"
#include "thex/encoder/protocol_table.h"
#include "thex/encoder/rows/step.h"
#include "thex/encoder/serving_memory.h"

namespace thex::encoder {
namespace {

model::ModelConfig config_for(model::Protocol protocol, int labels = 2, int layers = 1) {
  const model::ProtocolRow& row = row_of(protocol);
  model::ModelConfig c = support::config_of({layers, 64, 2, 128, labels});
  c.activation = row.activation;
  c.thex = model::HeSection{.softmax = row.softmax, .norm = model::Norm::affine, .max_relu_input = 40, .max_logit = 20};
  return c;
}

class Fingerprint : public ::testing::TestWithParam<model::Protocol> {};

TEST_P(Fingerprint, IsTheSameOnBothSidesWhateverTheWeights) {
  model::ModelConfig config = config_for(GetParam());
  const std::string client = plan_inference(config, 16).fingerprint;
  EXPECT_EQ(client.size(), 32u);
  config.thex->max_tokens = 16;  // what it is asked for by default
  EXPECT_EQ(plan_inference(config).fingerprint, client);
  EXPECT_EQ(plan_inference(config, 16).fingerprint, client);
  for (const unsigned seed : {1U, 2U}) {
    const auto model = std::make_shared<const model::Model>(support::random_model(config, seed));
    EXPECT_EQ(plan_inference(model, 16).fingerprint, client) << "weights of seed " << seed;
  }
}

TEST_P(Fingerprint, ChangesWithWhatIsAgreedOn) {
  const InferencePlan plan = plan_inference(config_for(GetParam()), 16);
  std::map<std::string, std::string> seen{{plan.fingerprint, "nothing"}};
  const auto expect_new = [&](const InferencePlan& other, const char* what) {
    const auto [it, inserted] = seen.emplace(fingerprint_of(other), what);
    EXPECT_TRUE(inserted) << what << ": the fingerprint is that of: " << it->second;
  };
  const auto changed = [&](const char* what, const std::function<void(InferencePlan&)>& change) {
    InferencePlan other = plan;
    change(other);
    expect_new(other, what);
  };
  changed("protocol", [](InferencePlan& p) {
    p.protocol = p.protocol == model::Protocol::the_x ? model::Protocol::one_round : model::Protocol::the_x;
  });
  changed("tokens of a query", [](InferencePlan& p) { p.shapes[0].tokens = 17; });
  changed("sentences of a query", [](InferencePlan& p) { p.shapes[0].sentences = 2; });
  changed("a level", [](InferencePlan& p) { ++p.circuits.program_plans[0].level[0]; });
  changed("a key", [](InferencePlan& p) { p.circuits.keys.rotations.erase(p.circuits.keys.rotations.begin()); });
  expect_new(plan_inference(config_for(GetParam()), 32), "longest text");
  expect_new(plan_inference(config_for(GetParam(), 3), 16), "labels");
  expect_new(plan_inference(config_for(GetParam(), 2, 2), 16), "layers");
  model::ModelConfig larger = config_for(GetParam());
  larger.thex->max_logit = larger.thex->max_relu_input = 4000;
  expect_new(plan_inference(larger, 16), "range of values");
  model::ModelConfig tokens = config_for(GetParam());
  tokens.task = model::Task::token_classification;
  expect_new(plan_inference(tokens, 16), "task");
}

// What only one side computes with, or tells its user.
TEST_P(Fingerprint, LeavesOutWhatIsNotAgreedOn) {
  const InferencePlan plan = plan_inference(config_for(GetParam()), 16);
  InferencePlan other = plan;
  other.ledger.clear();
  other.circuits.programs[0].nodes[1].label = "other";
  other.circuits.program_plans[0].estimated_seconds = 7;
  EXPECT_EQ(fingerprint_of(other), plan.fingerprint);
}
INSTANTIATE_TEST_SUITE_P(Protocols, Fingerprint, ::testing::Values(model::Protocol::one_round, model::Protocol::the_x),
                         [](const auto& of) { return of.param == model::Protocol::the_x ? "TheX" : "OneRound"; });

TEST(ProtocolTable, HasCircuitsForEveryProtocol) {
  for (const model::ProtocolRow& row : model::protocols()) {
    const EncoderProtocol& encoder = encoder_row(row.protocol);
    EXPECT_EQ(encoder.protocol, row.protocol);
    EXPECT_FALSE(encoder.attempts.empty());
    EXPECT_EQ(encoder.flood_deviation > 0, !row.client_sees_values) << "answers are hidden where nothing else is seen";
    EXPECT_EQ(encoder.seen_by_client(config_for(row.protocol)).empty(), !row.client_sees_values);
    PlanRequest request(16);
    request.protocol = row.protocol;
    const InferencePlan plan = plan_inference(config_for(row.protocol), request);
    EXPECT_EQ(plan.protocol, row.protocol);
    EXPECT_EQ(plan.hides_answers(), !row.client_sees_values);
    EXPECT_EQ(plan.rounds > 1, row.protocol != model::Protocol::one_round);
  }
}

// Weights are kept while they are a third of the memory at most; what is not kept is encoded while circuits run.
TEST(ServingMemory, KeepsWeightsWhereThereIsRoom) {
  const InferencePlan plan = plan_inference(config_for(model::Protocol::masked_rounds), 128);
  const std::vector<CircuitMemory> roomy = circuit_memory(plan, std::size_t{1} << 40), tight = circuit_memory(plan, 0);
  ASSERT_EQ(roomy.size(), plan.shapes.size());
  std::size_t weights = 0;
  for (std::size_t i = 0; i < roomy.size(); ++i) {
    EXPECT_TRUE(roomy[i].keeps_weights);
    EXPECT_FALSE(tight[i].keeps_weights);
    EXPECT_EQ(roomy[i].weight_bytes, tight[i].weight_bytes);
    EXPECT_GT(tight[i].encoding_bytes, 0u);
    EXPECT_EQ(tight[i].run_bytes(2), roomy[i].run_bytes(2) + 2 * tight[i].encoding_bytes);
    weights += roomy[i].weight_bytes;
  }
  const model::ModelConfig config = config_for(model::Protocol::masked_rounds);
  EXPECT_LT(peak_memory(config, plan, tight, 2), peak_memory(config, plan, roomy, 2));
  EXPECT_GT(peak_memory(config, plan, roomy, 2), weights + plan.circuits.key_bytes_memory);
  model::ModelConfig more = config;  // of the same circuits, with a matrix of 4 bytes an entry
  more.vocab *= 2;
  EXPECT_EQ(peak_memory(more, plan, roomy, 2), peak_memory(config, plan, roomy, 2)) << "embeddings are the client's";
  more.layers += 1;
  EXPECT_GE(peak_memory(more, plan, roomy, 2),
            peak_memory(config, plan, roomy, 2) + 4 * static_cast<std::size_t>(config.hidden * config.ffn * 2));
  // One circuit's weights fit, and no more.
  const std::vector<CircuitMemory> first = circuit_memory(plan, 3 * roomy[0].weight_bytes);
  EXPECT_TRUE(first[0].keeps_weights);
  EXPECT_FALSE(first[1].keeps_weights);
}

// A step that nobody gave sizes would count with those of circuit::Magnitudes, and its products without a limit.
TEST(EncoderSteps, EveryNodeHasTheSizesOfItsStep) {
  for (const model::ProtocolRow& row : model::protocols()) {
    for (const model::Task task : {model::Task::classification, model::Task::token_classification}) {
      model::ModelConfig config = config_for(row.protocol, 2, 2);
      config.task = task;
      for (const circuit::Program& program : plan_inference(config, 128).circuits.programs) {
        for (const circuit::Node& node : program.nodes) {
          ASSERT_LT(node.assumed.weight, 1) << node.label;
          if (node.op == circuit::Op::product_sum) {
            ASSERT_TRUE(std::isfinite(node.assumed.limit)) << node.label;
          }
        }
      }
    }
  }
}

// Calibrated sizes are those of the step's layer.
TEST(EncoderSteps, SizesFollowTheLayersRanges) {
  model::ModelConfig config = config_for(model::Protocol::the_x, 2, 2);
  const auto range = [](double rms) { return model::Range{rms, 2 * rms}; };
  for (const double unit : {1.0, 10.0})
    config.thex->layers.push_back({.score = range(2 * unit),
                                   .cube = range(3 * unit),
                                   .cube_sum = range(5 * unit),
                                   .context = range(7 * unit),
                                   .attention_norm = range(11 * unit),
                                   .ffn = range(13 * unit),
                                   .output_norm = range(17 * unit)});
  const auto sizes = [&](Step step, int layer) { return magnitudes_of(config, step, layer, 16); };
  EXPECT_DOUBLE_EQ(sizes(Step::scores, 1).limit, 20);
  EXPECT_DOUBLE_EQ(sizes(Step::scores, 1).fresh, 30);
  EXPECT_DOUBLE_EQ(sizes(Step::softmax, 0).limit, 5);
  EXPECT_DOUBLE_EQ(sizes(Step::value_sum, 0).limit, 35) << "before the reciprocal";
  EXPECT_DOUBLE_EQ(sizes(Step::attention_output, 1).limit, 110);
  EXPECT_DOUBLE_EQ(sizes(Step::intermediate, 0).fresh, 13 * M_SQRT1_2);
  EXPECT_DOUBLE_EQ(sizes(Step::output, 1).limit, 170);
  EXPECT_DOUBLE_EQ(sizes(Step::estimation_first, 1).weight, 1.0 / 50);
  EXPECT_TRUE(std::isinf(sizes(Step::value, 0).limit));
  config.thex->layers[1].ffn.rms = 0;
  EXPECT_THROW(sizes(Step::intermediate, 1), Error);
}

TEST(FingerprintOfProtocols, Differ) {
  EXPECT_NE(plan_inference(config_for(model::Protocol::one_round), 16).fingerprint,
            plan_inference(config_for(model::Protocol::the_x), 16).fingerprint);
}

}  // namespace
}  // namespace thex::encoder
