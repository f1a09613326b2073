#include "thex/circuit/run/ckks_circuit.h"

#include <utility>

namespace thex::circuit {

CkksCircuit::CkksCircuit(ckks::ContextPtr context, const Program& program, const ProgramPlan& plan,
                         std::shared_ptr<PlaintextStore> store, Encoding encoding)
    : context_(std::move(context)),
      program_(program),
      plan_(plan),
      graph_(make_task_graph(program, plan)),
      store_(store ? std::move(store) : std::make_shared<PlaintextStore>(context_)),
      plains_(encode_plains(*context_, program, plan, graph_.fusion, encoding, *store_)) {}

std::span<const ckks::LinearTransform> CkksCircuit::transforms(std::size_t group, EncodedGroup& here,
                                                               const ParallelFor& parallel) const {
  const std::vector<ckks::LinearTransform>& kept = plains_.of_group[group];
  if (!kept.empty()) return kept;
  here = encode_group(*context_, store_->encoder(), program_, plan_, graph_.fusion.groups[group], parallel);
  return here.transforms;
}

}  // namespace thex::circuit
