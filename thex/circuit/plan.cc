#include "thex/circuit/plan.h"

#include "thex/circuit/refresh.h"

namespace thex::circuit {
namespace {

// The rule of the refresh whose scale a value keeps: its result, and what is made of that by operations that change no
// scale. Null for all other values.
const RefreshRule* kept_rule(const Program& program, NodeId node) {
  while (program.nodes[node].op != Op::refresh) {
    if (!leaves_scale(program.nodes[node].op)) return nullptr;
    node = program.nodes[node].inputs[0];
  }
  const RefreshRule& rule = rule_of(program.nodes[node].refresh);
  return rule.keeps_scale ? &rule : nullptr;
}

}  // namespace

bool keeps_scale(const Program& program, NodeId node) { return kept_rule(program, node) != nullptr; }

ckks::Level scale_level(const Program& program, const ProgramPlan& plan, NodeId node) {
  const RefreshRule* const rule = kept_rule(program, node);
  return rule ? rule->input : plan.level[node];
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
