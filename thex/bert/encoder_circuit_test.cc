#include "thex/bert/encoder_circuit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "thex/base/error.h"
#include "thex/bert/encoder_builder.h"
#include "thex/bert/reference.h"
#include "thex/bert/testing.h"
#include "thex/circuit/ckks_executor.h"
#include "thex/circuit/clear.h"
#include "thex/circuit/client_turn.h"
#include "thex/ckks/secret/secret.h"

namespace thex::bert {
namespace {

struct Shape {
  int layers, hidden, heads, ffn, labels;
};

std::shared_ptr<Model> he_model(const Shape& shape, unsigned seed) {
  ModelConfig c = testing::small_config();
  c.layers = shape.layers, c.hidden = shape.hidden, c.heads = shape.heads, c.ffn = shape.ffn;
  c.max_positions = 128, c.activation = Activation::relu, c.pooler = false;
  c.labels.clear();
  for (int l = 0; l < shape.labels; ++l) c.labels.push_back("label" + std::to_string(l));
  c.thex = HeSection{.softmax = Softmax::estimation, .norm = Norm::affine, .max_relu_input = 40, .max_logit = 40};
  return std::make_shared<Model>(testing::random_model(c, seed));
}

std::vector<std::int32_t> random_ids(int count, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  for (auto& id : ids) id = static_cast<std::int32_t>(engine() % 50);
  return ids;
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
    for (const int length : {3, bucket}) {
      const auto ids = random_ids(length, static_cast<unsigned>(length));
      const std::vector<std::int32_t> types(ids.size(), 0);
      const ForwardResult expected = forward(*model, ids, types);
      const circuit::ClearResult got = circuit::run_clear(program, embed(*model, ids, types), length);
      ASSERT_EQ(got.logits.size(), expected.logits.size());
      for (std::size_t l = 0; l < got.logits.size(); ++l)
        EXPECT_NEAR(got.logits[l], expected.logits[l], 1e-8 * (1 + std::abs(expected.logits[l])))
            << "bucket " << bucket << ", length " << length << ", label " << l;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Shapes, EncoderCircuit,
                         ::testing::Values(std::make_tuple(Shape{1, 64, 2, 128, 2}, 4096u),
                                           std::make_tuple(Shape{2, 64, 2, 256, 3}, 1024u),
                                           std::make_tuple(Shape{2, 128, 2, 512, 2}, 8192u),
                                           std::make_tuple(Shape{2, 96, 3, 200, 5}, 4096u),
                                           std::make_tuple(Shape{3, 64, 1, 100, 8}, 2048u)));

TEST(EncoderCircuitPlan, ClientAndServerAgree) {
  const auto model = he_model({2, 128, 2, 512, 2}, 3);
  const InferencePlan client = plan_inference(model->config, 32),
                      server = plan_inference(std::shared_ptr<const Model>(model), 32);
  EXPECT_EQ(client.fingerprint(), server.fingerprint());
  EXPECT_EQ(client.fingerprint().size(), 32u);
  EXPECT_NE(client.fingerprint(), plan_inference(model->config, 16).fingerprint());
  EXPECT_EQ(client.buckets, (std::vector<int>{16, 32}));
  EXPECT_EQ(client.rounds, 8);
  EXPECT_EQ(client.bucket_for(16), 0u);
  EXPECT_EQ(client.bucket_for(17), 1u);
  EXPECT_THROW(client.bucket_for(33), Error);
  EXPECT_LE(client.plan.context->log_qp(), ckks::max_log_qp_128(client.plan.spec.log_n));
}

TEST(EncoderCircuitPlan, NamesWhatItCannotPack) {
  const auto model = he_model({1, 64, 2, 128, 2}, 3);
  ModelConfig plain = model->config;
  plain.activation = Activation::gelu;
  EXPECT_THROW(plan_inference(plain), Error);
  ModelConfig narrow = model->config;
  narrow.heads = 8;
  try {
    plan_inference(narrow);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("head size 8"), std::string::npos) << e.what();
  }
}

TEST(EncoderCircuitEncrypted, OneSentenceEndToEnd) {
  const auto model = he_model({2, 64, 2, 128, 2}, 5);
  const InferencePlan inference = plan_inference(std::shared_ptr<const Model>(model), 16);
  const circuit::Plan& plan = inference.plan;
  ring::Prng prng(ring::Seed{1});
  const auto key = ckks::secret::SecretKey::generate(plan.context, prng);
  const auto keys = ckks::secret::make_evaluation_keys(key, plan.keys, prng);
  const ckks::Evaluator evaluator(plan.context);
  const int length = 11;
  const auto ids = random_ids(length, 9);
  const std::vector<std::int32_t> types(ids.size(), 0);
  const circuit::ClientTurn client(plan, 0, key, length);
  const auto expand = [&](const std::vector<ckks::SeededCiphertext>& seeded) {
    std::vector<ckks::Ciphertext> out;
    for (const auto& c : seeded) out.push_back(evaluator.expand(c));
    return out;
  };
  const circuit::CkksExecutor executor(plan.context, plan.programs[0], plan.program_plans[0]);
  const ckks::Ciphertext result = executor.run(
      keys, expand(client.first(embed(*model, ids, types))),
      [&](std::size_t step, std::vector<ckks::Ciphertext> inputs) { return expand(client.answer(step, inputs)); }, 2);
  const std::vector<double> logits = client.result(result);
  const ForwardResult expected = forward(*model, ids, types);
  for (std::size_t l = 0; l < expected.logits.size(); ++l) EXPECT_NEAR(logits[l], expected.logits[l], 1e-3);
}

}  // namespace
}  // namespace thex::bert
