#include "thex/circuit/plan.h"

#include "thex/circuit/refresh.h"
#include "thex/ckks/rounded_ciphertext.h"
#include "thex/ckks/serialization.h"

namespace thex::circuit {
std::vector<Travelling> to_client(const Program& program, const ProgramPlan& plan, std::size_t step) {
  const auto readable = [](NodeId id) { return Travelling{.node = id, .level = 0, .scale_level = 0, .masked = false}; };
  std::vector<Travelling> all;
  if (step == program.steps.size()) {
    for (NodeId id : program.results) all.push_back(readable(id));
    return all;
  }
  for (NodeId id : program.steps.at(step).inputs) all.push_back(readable(id));
  for (NodeId id : program.steps[step].refreshed) {
    const Node& node = program.nodes[id];
    const NodeId input = node.inputs[0];
    const ckks::Level level = rule_of(node.refresh).input;
    all.push_back({.node = input,
                   .level = level,
                   .scale_level = plan.level[input] == level ? plan.scale_level[input] : level,
                   .masked = true});
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
                     .scale_level = plan.scale_level[id],
                     .masked = nodes == &program.steps[step].refreshed});
  return all;
}

std::size_t bytes_to_client(const ckks::Context& context, const Travelling& ciphertext) {
  return ciphertext.masked ? ckks::rounded_bytes(context) : ckks::ciphertext_bytes(context, ciphertext.level, false);
}

std::size_t bytes_to_server(const ckks::Context& context, const Travelling& ciphertext) {
  return ckks::ciphertext_bytes(context, ciphertext.level, true);
}

}  // namespace thex::circuit
