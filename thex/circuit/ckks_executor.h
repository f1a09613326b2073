// The ckks interpreter: runs a planned program on ciphertexts, on several threads, in the order of urgency.
//
// It needs evaluation keys only; nothing here can decrypt. One executor serves many queries and clients at the same
// time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thex/circuit/plaintext_store.h"
#include "thex/circuit/planner.h"
#include "thex/circuit/program.h"
#include "thex/ckks/evaluator.h"

namespace thex::circuit {

struct NodeTime {
  std::string label;
  Op op;
  double seconds = 0;
  std::size_t count = 0;
};

class CkksExecutor {
 public:
  // Encodes every plaintext of the program. `program` and `plan` must outlive the executor. Executors of one context
  // may share a store of plaintexts.
  CkksExecutor(ckks::ContextPtr context, const Program& program, const ProgramPlan& plan,
               std::shared_ptr<PlaintextStore> store = nullptr);
  ~CkksExecutor();

  // Sends the ciphertexts of a client step and waits for the fresh ones, in the order of to_client() and to_server()
  // (planner.h); levels and scales of what comes back are checked. May throw: the run ends with that exception.
  using Exchange = std::function<std::vector<ckks::Ciphertext>(std::size_t step, std::vector<ckks::Ciphertext> inputs)>;

  // `inputs`: the outputs of client step 0. Returns the encrypted results. threads >= 1.
  std::vector<ckks::Ciphertext> run(const ckks::EvaluationKeys& keys, std::vector<ckks::Ciphertext> inputs,
                                    const Exchange& exchange, int threads) const;
  // The same with the time of each label and operation, summed.
  std::vector<ckks::Ciphertext> run_profiled(const ckks::EvaluationKeys& keys, std::vector<ckks::Ciphertext> inputs,
                                             const Exchange& exchange, int threads,
                                             std::vector<NodeTime>& profile) const;

  // Of the plaintexts that it holds, alone or with others.
  std::size_t plaintext_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace thex::circuit
