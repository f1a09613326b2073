// Helpers of the encoder circuits' tests: models of a shape, and a circuit beside the clear reference, on doubles and
// encrypted.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "thex/bert/encoder_circuit.h"
#include "thex/bert/reference.h"
#include "thex/bert/testing.h"
#include "thex/circuit/ckks_executor.h"
#include "thex/circuit/clear.h"
#include "thex/circuit/client_turn.h"
#include "thex/ckks/secret/secret.h"

namespace thex::bert::testing {

struct Shape {
  int layers, hidden, heads, ffn, labels;
  Task task = Task::classification;
};

// Up to 128 tokens, without a pooler; activation and thex section are the caller's.
inline ModelConfig config_of(const Shape& shape) {
  ModelConfig c = small_config();
  c.layers = shape.layers, c.hidden = shape.hidden, c.heads = shape.heads, c.ffn = shape.ffn;
  c.max_positions = 128, c.pooler = false;
  c.task = shape.task;
  c.labels.clear();
  for (int l = 0; l < shape.labels; ++l) c.labels.push_back("label" + std::to_string(l));
  return c;
}

// The program of a bucket on doubles equals the clear reference, for a short and the longest sentence.
inline void expect_equals_reference(const Model& model, const circuit::Program& program, int bucket) {
  for (const int length : {3, bucket}) {
    const auto ids = random_ids(length, static_cast<unsigned>(length));
    const std::vector<std::int32_t> types(ids.size(), 0);
    const ForwardResult expected = forward(model, ids, types);
    const circuit::ClearResult got = circuit::run_clear(program, embed(model, ids, types), length);
    ASSERT_EQ(got.logits.size(), expected.logits.size());
    for (std::size_t l = 0; l < got.logits.size(); ++l)
      EXPECT_NEAR(got.logits[l], expected.logits[l], 1e-8 * (1 + std::abs(expected.logits[l])))
          << "bucket " << bucket << ", length " << length << ", label " << l;
  }
}

// The logits of one sentence in the first bucket, encrypted and decrypted; `exchanges` counts the client's turns
// between its first message and the answer.
inline std::vector<double> encrypted_logits(const InferencePlan& inference, const Model& model,
                                            const std::vector<std::int32_t>& ids, int& exchanges) {
  const circuit::Plan& plan = inference.plan;
  ring::Prng prng(ring::Seed{1});
  const auto key = ckks::secret::SecretKey::generate(plan.context, prng);
  const auto keys = ckks::secret::make_evaluation_keys(key, plan.keys, prng);
  const ckks::Evaluator evaluator(plan.context);
  const circuit::ClientTurn client(plan, 0, key, static_cast<int>(ids.size()));
  const auto expand = [&](const std::vector<ckks::SeededCiphertext>& seeded) {
    std::vector<ckks::Ciphertext> out;
    for (const auto& c : seeded) out.push_back(evaluator.expand(c));
    return out;
  };
  exchanges = 0;
  const auto exchange = [&](std::size_t step, std::vector<ckks::Ciphertext> inputs) {
    ++exchanges;
    return expand(client.answer(step, inputs));
  };
  const circuit::CkksExecutor executor(plan.context, plan.programs[0], plan.program_plans[0]);
  const std::vector<double> embeddings = embed(model, ids, std::vector<std::int32_t>(ids.size(), 0));
  return client.result(executor.run(keys, expand(client.first(embeddings)), exchange, 2));
}

}  // namespace thex::bert::testing
