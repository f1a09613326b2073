#include "thex/circuit/levels.h"

#include <algorithm>

#include "thex/base/error.h"
#include "thex/circuit/refresh.h"

namespace thex::circuit {

ckks::Level input_level(const Node& node, ckks::Level output) {
  return node.op == Op::refresh ? rule_of(node.refresh).input : output + consumed_levels(node.op);
}

ProgramPlan assign_levels(const Program& program) {
  ProgramPlan plan;
  const std::size_t n = program.nodes.size();
  const auto must_be_canonical = [&](NodeId id) {
    if (keeps_scale(program, id))
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
    if (node.op == Op::refresh) plan.level[i] = std::max(plan.level[i], rule_of(node.refresh).output);
    const ckks::Level needed = input_level(node, plan.level[i]);
    const int urgency = comes_from_client(node) ? static_cast<int>(node.step) : plan.urgency[i];
    // Values of one refresh's scale meet each other only, until a weighted sum ends it.
    const bool mixes = leaves_scale(node.op) && std::ranges::any_of(node.inputs, [&](NodeId input) {
                         return keeps_scale(program, input) != keeps_scale(program, i);
                       });
    for (NodeId input : node.inputs) {
      if (mixes || (!weighs(node.op) && !leaves_scale(node.op) && keeps_scale(program, input)))
        throw Error(ErrorCode::internal,
                    "circuit step '" + std::string(node.label) + "' uses a refreshed value outside a weighted sum");
      plan.level[input] = std::max(plan.level[input], needed);
      plan.urgency[input] = std::min(plan.urgency[input], urgency);
    }
    if (starts_chain(node)) plan.depth = std::max(plan.depth, plan.level[i]);
  }
  return plan;
}

}  // namespace thex::circuit
