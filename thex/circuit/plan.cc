#include "thex/circuit/plan.h"

#include "thex/circuit/refresh.h"

namespace thex::circuit {
namespace {

// The node behind rotations.
const Node& rotated(const Program& program, NodeId node) {
  while (program.nodes[node].op == Op::rotate) node = program.nodes[node].inputs[0];
  return program.nodes[node];
}

}  // namespace

bool keeps_scale(const Program& program, NodeId node) {
  const Node& from = rotated(program, node);
  return from.op == Op::refresh && rule_of(from.refresh).keeps_scale;
}

ckks::Level scale_level(const Program& program, const ProgramPlan& plan, NodeId node) {
  return keeps_scale(program, node) ? rule_of(rotated(program, node).refresh).input : plan.level[node];
}

std::vector<Travelling> to_client(const Program& program, std::size_t step) {
  const auto readable = [](NodeId id) { return Travelling{.node = id, .level = 0, .scale_level = 0, .masked = false}; };
  std::vector<Travelling> all;
  if (step == program.steps.size()) {
    for (NodeId id : program.results) all.push_back(readable(id));
    return all;
  }
  for (NodeId id : program.steps.at(step).inputs) all.push_back(readable(id));
  for (NodeId id : program.steps[step].refreshed) {
    const Node& node = program.nodes[id];
    const ckks::Level level = rule_of(node.refresh).input;
    all.push_back({.node = node.inputs[0], .level = level, .scale_level = level, .masked = true});
  }
  return all;
}

std::vector<Travelling> to_server(const Program& program, const ProgramPlan& plan, std::size_t step) {
  std::vector<Travelling> all;
  if (step == program.steps.size()) return all;
  for (const std::vector<NodeId>* nodes : {&program.steps.at(step).outputs, &program.steps.at(step).refreshed})
    for (NodeId id : *nodes)
      all.push_back({.node = id,
                     .level = plan.level[id],
                     .scale_level = scale_level(program, plan, id),
                     .masked = nodes == &program.steps[step].refreshed});
  return all;
}

}  // namespace thex::circuit
