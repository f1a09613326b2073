// The circuits that a server computes: the plan of its model, with the weights of each program encoded when it is first
// asked for.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "thex/circuit/answers.h"
#include "thex/circuit/run/ckks_circuit.h"
#include "thex/ckks/evaluator.h"
#include "thex/encoder/inference_plan.h"
#include "thex/encoder/serving_memory.h"
#include "thex/model/model.h"
#include "thex/protocol/messages.h"
#include "thex/server/budget.h"
#include "thex/server/log.h"

namespace thex::server {

class Circuits {
 public:
  // `model` is loaded with Part::server. Throws Error(model) when it cannot be planned. `log` may be empty. Circuits
  // whose encoded weights are too many for the budget encode them while they run (encoder/serving_memory.h).
  Circuits(std::shared_ptr<const model::Model> model, const encoder::PlanRequest& request, Budget budget, Log log);

  const model::Model& model() const { return *model_; }
  const encoder::InferencePlan& plan() const { return plan_; }
  // Program `index` of the plan, ready to run; made now if it is not there yet. Thread-safe. Its weights count in the
  // budget.
  std::shared_ptr<const circuit::CkksCircuit> prepared(std::size_t index);
  // The results of program `index` as they leave (circuit/answers.h): bound to the client's keys and to its query,
  // whose payload `binding` is of. Throws Error(keys), Error(crypto).
  std::vector<ckks::Ciphertext> finish(std::size_t index, std::vector<ckks::Ciphertext> results,
                                       const ckks::EvaluationKeys& keys, const ckks::Binding& binding) const;
  // What leaves in client step `step` of program `index`, or as its results, tied to the query (circuit/answers.h).
  std::vector<ckks::Ciphertext> bind_to_query(std::size_t index, std::size_t step,
                                              std::vector<ckks::Ciphertext> ciphertexts,
                                              const ckks::Binding& binding) const;
  const protocol::PlanFingerprint& plan_fingerprint() const { return plan_fingerprint_; }
  // The most memory that a query of program `index` takes while it runs on so many threads.
  std::size_t working_bytes(std::size_t index, int threads) const;
  // Memory of all weights that circuits keep, once they are encoded.
  std::size_t kept_weight_bytes() const;
  // Memory of the weights that have been encoded so far.
  std::size_t weight_bytes() const;

 private:
  struct Entry {
    std::mutex mutex;
    std::shared_ptr<const circuit::CkksCircuit> circuit;
  };
  const std::shared_ptr<const model::Model> model_;
  const encoder::InferencePlan plan_;
  const protocol::PlanFingerprint plan_fingerprint_;
  const ckks::Evaluator evaluator_;
  const circuit::AnswerFinisher finisher_;
  const std::shared_ptr<circuit::PlaintextStore> weights_;  // of all programs
  const Log log_;
  const std::vector<encoder::CircuitMemory> circuit_memory_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::mutex memory_mutex_;
  Reservation memory_;
};

}  // namespace thex::server
