// A client and a server of one planned program in the process of a test, with keys of their own.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "thex/circuit/run/ckks_run.h"
#include "thex/circuit/secret/client_turn.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"

namespace thex::support {

struct LocalParties {
  // `plan` must outlive the object.
  LocalParties(const circuit::Plan& plan, std::size_t program, const ring::Seed& seed, circuit::Lengths lengths = 1)
      : prng(seed),
        key(ckks::secret::SecretKey::generate(plan.context, prng)),
        keys(std::make_shared<const ckks::EvaluationKeys>(ckks::secret::make_evaluation_keys(key, plan.keys, prng))),
        circuit(std::make_shared<const circuit::CkksCircuit>(plan.context, plan.programs.at(program),
                                                             plan.program_plans.at(program))),
        client(plan, program, key, std::move(lengths), 2),
        evaluator(plan.context) {}

  std::vector<ckks::Ciphertext> expand(const std::vector<ckks::SeededCiphertext>& seeded) const {
    std::vector<ckks::Ciphertext> all;
    for (const ckks::SeededCiphertext& c : seeded) all.push_back(evaluator.expand(c));
    return all;
  }
  std::vector<ckks::Ciphertext> first(std::span<const double> input) const { return expand(client.first(input)); }
  std::vector<ckks::Ciphertext> answer(std::size_t step, const std::vector<ckks::Ciphertext>& sent) const {
    return expand(client.answer(step, sent));
  }

  // The whole query: the program's outputs.
  std::vector<double> run(std::span<const double> input, int threads) const {
    return client.result(circuit::run_with_client(
        circuit, keys, first(input),
        [&](std::size_t step, const std::vector<ckks::Ciphertext>& sent) { return answer(step, sent); }, threads));
  }

  ring::Prng prng;
  const ckks::secret::SecretKey key;
  const std::shared_ptr<const ckks::EvaluationKeys> keys;
  const std::shared_ptr<const circuit::CkksCircuit> circuit;
  const circuit::ClientTurn client;
  const ckks::Evaluator evaluator;
};

}  // namespace thex::support
