// Helpers of the encoder circuits' tests: models of a shape, and a circuit beside the clear reference, on doubles and
// encrypted.
#pragma once

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/support/models.h"
#include "thex/circuit/run/ckks_run.h"
#include "thex/circuit/run/clear.h"
#include "thex/circuit/secret/client_turn.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"
#include "thex/encoder/inference_plan.h"
#include "thex/model/reference.h"

namespace thex::support {

struct Shape {
  int layers, hidden, heads, ffn, labels;
  model::Task task = model::Task::classification;
};

// Up to 512 tokens, without a pooler; activation and thex section are the caller's.
inline model::ModelConfig config_of(const Shape& shape) {
  model::ModelConfig c = small_config();
  c.layers = shape.layers, c.hidden = shape.hidden, c.heads = shape.heads, c.ffn = shape.ffn;
  c.max_positions = 512, c.pooler = false;
  c.task = shape.task;
  c.labels.clear();
  for (int l = 0; l < shape.labels; ++l) c.labels.push_back("label" + std::to_string(l));
  return c;
}

// Every result of the program repeats as it declares, and what it hides in no answer is asked for.
inline void expect_results_repeat(const circuit::Program& program, std::span<const double> embeddings,
                                  const circuit::Lengths& lengths) {
  const std::vector<std::vector<double>> values = circuit::trace_clear(program, embeddings, lengths);
  for (const circuit::NodeId result : program.results) {
    const std::vector<double>& slots = values[result];
    ASSERT_EQ(slots.size(), program.slots) << "results are real";
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const double first = slots[i % program.result_period];
      ASSERT_NEAR(slots[i], first, 1e-8 * (1 + std::abs(first))) << "slot " << i;
    }
  }
}

// The program of a bucket on doubles equals the clear reference, for a short and the longest sentence.
inline void expect_equals_reference(const model::Model& model, const circuit::Program& program, int bucket) {
  for (const int length : {3, bucket}) {
    const auto ids = random_ids(length, static_cast<unsigned>(length));
    const std::vector<std::int32_t> types(ids.size(), 0);
    const model::ForwardResult expected = forward(model, ids, types);
    const circuit::ClearResult got = circuit::run_clear(program, embed(model, ids, types), length);
    ASSERT_EQ(got.logits.size(), expected.logits.size());
    for (std::size_t l = 0; l < got.logits.size(); ++l)
      EXPECT_NEAR(got.logits[l], expected.logits[l], 1e-8 * (1 + std::abs(expected.logits[l])))
          << "bucket " << bucket << ", length " << length << ", label " << l;
  }
}

// The logits of some sentences, one after the other, that travel as program number `program` of the plan says,
// encrypted and decrypted; `exchanges` counts the client's turns between its first message and the answer.
inline std::vector<double> encrypted_logits(const encoder::InferencePlan& inference, const model::Model& model,
                                            const std::vector<std::vector<std::int32_t>>& sentences, int& exchanges,
                                            std::size_t program = 0,
                                            circuit::Encoding encoding = circuit::Encoding::ahead) {
  const circuit::Plan& plan = inference.circuits;
  const encoder::QueryShape& shape = inference.shapes[program];
  std::vector<int> lengths(static_cast<std::size_t>(shape.sentences));
  const auto padded = static_cast<std::size_t>(shape.tokens) * static_cast<std::size_t>(model.config.hidden);
  std::vector<double> embeddings;
  for (std::size_t s = 0; s < sentences.size(); ++s) {
    lengths[s] = static_cast<int>(sentences[s].size());
    const std::vector<double> one = embed(model, sentences[s], std::vector<std::int32_t>(sentences[s].size(), 0));
    embeddings.resize(s * padded);
    embeddings.insert(embeddings.end(), one.begin(), one.end());
  }
  if (shape.sentences > 1) embeddings.resize(static_cast<std::size_t>(shape.sentences) * padded);
  ring::Prng prng(ring::Seed{1});
  const auto key = ckks::secret::SecretKey::generate(plan.context, prng);
  const auto keys =
      std::make_shared<const ckks::EvaluationKeys>(ckks::secret::make_evaluation_keys(key, plan.keys, prng));
  const ckks::Evaluator evaluator(plan.context);
  const circuit::ClientTurn client(plan, program, key, lengths);
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
  const auto prepared = std::make_shared<const circuit::CkksCircuit>(plan.context, plan.programs[program],
                                                                     plan.program_plans[program], nullptr, encoding);
  std::vector<ckks::Ciphertext> results =
      circuit::run_with_client(prepared, keys, expand(client.first(embeddings)), exchange, 2);
  const ckks::Binding query{7};
  ring::Prng of_answer(ring::Seed{8});
  return client.result(circuit::finish_results(evaluator, plan.programs[program], plan.program_plans[program],
                                               std::move(results), *keys, query, of_answer),
                       query);
}

}  // namespace thex::support
