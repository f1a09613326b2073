// A planned program, ready to run on ciphertexts: its task graph and its encoded plaintexts. Made once, shared by all
// queries and clients.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "thex/circuit/plan.h"
#include "thex/circuit/run/encoded_plains.h"
#include "thex/circuit/run/plaintext_store.h"
#include "thex/circuit/task_graph.h"
#include "thex/ckks/context.h"

namespace thex::circuit {

class CkksCircuit {
 public:
  // Encodes the plaintexts of the program, those of linear transforms when `encoding` says. `program` and `plan` must
  // outlive the object. Circuits of one context may share a store of plaintexts.
  CkksCircuit(ckks::ContextPtr context, const Program& program, const ProgramPlan& plan,
              std::shared_ptr<PlaintextStore> store = nullptr, Encoding encoding = Encoding::ahead);

  const ckks::ContextPtr& context() const { return context_; }
  const Program& program() const { return program_; }
  const ProgramPlan& plan() const { return plan_; }
  const TaskGraph& graph() const { return graph_; }
  const EncodedPlains& plains() const { return plains_; }
  // The transforms of a group, encoded now if they are not kept: `here` is where then.
  std::span<const ckks::LinearTransform> transforms(std::size_t group, EncodedGroup& here,
                                                    const ParallelFor& parallel) const;
  // Of the plaintexts that it holds, alone or with others.
  std::size_t plaintext_bytes() const { return plains_.bytes; }

 private:
  const ckks::ContextPtr context_;
  const Program& program_;
  const ProgramPlan& plan_;
  const TaskGraph graph_;
  const std::shared_ptr<PlaintextStore> store_;
  const EncodedPlains plains_;
};

}  // namespace thex::circuit
