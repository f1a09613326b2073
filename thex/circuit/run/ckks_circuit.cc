#include "thex/circuit/run/ckks_circuit.h"

#include <utility>

namespace thex::circuit {

CkksCircuit::CkksCircuit(ckks::ContextPtr context, const Program& program, const ProgramPlan& plan,
                         std::shared_ptr<PlaintextStore> store)
    : context_(std::move(context)),
      program_(program),
      plan_(plan),
      graph_(make_task_graph(program, plan)),
      store_(store ? std::move(store) : std::make_shared<PlaintextStore>(context_)),
      plains_(encode_plains(*context_, program, plan, graph_.fusion, *store_)) {}

}  // namespace thex::circuit
