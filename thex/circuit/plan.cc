#include "thex/circuit/plan.h"

#include "thex/ckks/masked_refresh.h"

namespace thex::circuit {

bool keeps_refresh_scale(const Program& program, NodeId node) {
  while (program.nodes[node].op == Op::rotate) node = program.nodes[node].inputs[0];
  return program.nodes[node].op == Op::refreshed;
}

double value_scale(const ckks::Context& context, const Program& program, const ProgramPlan& plan, NodeId node) {
  return context.scale(keeps_refresh_scale(program, node) ? ckks::kRefreshLevel : plan.level[node]);
}

std::vector<Travelling> to_client(const ckks::Context& context, const Program& program, const ProgramPlan&,
                                  std::size_t step) {
  std::vector<Travelling> all;
  if (step == program.steps.size()) {
    for (NodeId id : program.results) all.push_back({id, 0, context.scale(0), false});
    return all;
  }
  for (NodeId id : program.steps.at(step).inputs) all.push_back({id, 0, context.scale(0), false});
  for (NodeId id : program.steps[step].refreshed)
    all.push_back({program.nodes[id].inputs[0], ckks::kRefreshLevel, context.scale(ckks::kRefreshLevel), true});
  return all;
}

std::vector<Travelling> to_server(const ckks::Context& context, const Program& program, const ProgramPlan& plan,
                                  std::size_t step) {
  std::vector<Travelling> all;
  if (step == program.steps.size()) return all;
  for (const std::vector<NodeId>* nodes : {&program.steps.at(step).outputs, &program.steps.at(step).refreshed})
    for (NodeId id : *nodes)
      all.push_back(
          {id, plan.level[id], value_scale(context, program, plan, id), nodes == &program.steps[step].refreshed});
  return all;
}

}  // namespace thex::circuit
