#include "thex/circuit/fusion.h"

#include <map>
#include <utility>

namespace thex::circuit {

bool rotates(const Program& program, const TransformGroup& group) {
  for (const NodeId id : group.nodes) {
    const TransformTerms& terms = *program.transforms[program.nodes[id].transform].terms;
    if (!terms.rotations.empty() || terms.at.begin()->first != 0 || terms.at.size() > 1) return true;
  }
  return false;
}

Fusion find_fusion(const Program& program, std::span<const ckks::Level> levels) {
  Fusion fusion;
  fusion.needed.assign(program.nodes.size(), false);
  fusion.group_of.assign(program.nodes.size(), Fusion::kNone);
  for (const NodeId id : program.results) fusion.needed[id] = true;
  for (const ClientStep& step : program.steps) {
    for (const NodeId id : step.inputs) fusion.needed[id] = true;
    for (const NodeId id : step.refreshed) fusion.needed[id] = true;
  }
  for (std::size_t id = program.nodes.size(); id-- > 0;)
    if (fusion.needed[id])
      for (const NodeId input : program.nodes[id].inputs) fusion.needed[input] = true;

  std::map<std::pair<std::vector<NodeId>, ckks::Level>, std::size_t> groups;
  for (std::size_t id = 0; id < program.nodes.size(); ++id) {
    const Node& node = program.nodes[id];
    if (node.op != Op::linear_transform || !fusion.needed[id]) continue;
    const ckks::Level level = levels[id] + 1;
    const auto [it, inserted] =
        groups.try_emplace({std::vector<NodeId>(node.inputs.begin(), node.inputs.end()), level}, fusion.groups.size());
    if (inserted) fusion.groups.push_back({{}, level});
    fusion.groups[it->second].nodes.push_back(id);
    fusion.group_of[id] = it->second;
  }
  return fusion;
}

}  // namespace thex::circuit
