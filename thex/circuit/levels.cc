#include "thex/circuit/levels.h"

#include <algorithm>

#include "thex/base/error.h"
#include "thex/ckks/masked_refresh.h"

namespace thex::circuit {

ProgramPlan assign_levels(const Program& program) {
  ProgramPlan plan;
  const std::size_t n = program.nodes.size();
  const auto must_be_canonical = [&](NodeId id) {
    if (keeps_refresh_scale(program, id))
      throw Error(ErrorCode::internal,
                  "circuit step '" + std::string(program.nodes[id].label) + "' sends a refreshed value to the client");
  };
  for (NodeId id : program.results) must_be_canonical(id);
  for (const ClientStep& step : program.steps)
    for (NodeId id : step.inputs) must_be_canonical(id);
  plan.level.assign(n, 0);
  const int last = static_cast<int>(program.steps.size());
  plan.urgency.assign(n, last);
  for (std::size_t s = 1; s < program.steps.size(); ++s)
    for (NodeId input : program.steps[s].inputs) {
      int& urgency = plan.urgency[input];
      urgency = std::min(urgency, static_cast<int>(s));
    }
  for (std::size_t i = n; i-- > 0;) {
    const Node& node = program.nodes[i];
    // A refreshed value has the levels that its users need; what goes into it only those of the mask.
    const ckks::Level needed =
        node.op == Op::refreshed ? ckks::kRefreshLevel : plan.level[i] + consumed_levels(node.op);
    if (node.op == Op::refreshed) plan.level[i] = std::max(plan.level[i], ckks::kRefreshLevel);
    for (NodeId input : node.inputs) {
      if (node.op != Op::weighted_sum && node.op != Op::rotate && keeps_refresh_scale(program, input))
        throw Error(ErrorCode::internal,
                    "circuit step '" + std::string(node.label) + "' uses a refreshed value outside a weighted sum");
      plan.level[input] = std::max(plan.level[input], needed);
      plan.urgency[input] =
          std::min(plan.urgency[input], node.op == Op::refreshed ? static_cast<int>(node.step) : plan.urgency[i]);
    }
    if (node.op == Op::fresh || node.op == Op::refreshed) plan.depth = std::max(plan.depth, plan.level[i]);
  }
  return plan;
}

}  // namespace thex::circuit
