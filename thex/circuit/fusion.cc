#include "thex/circuit/fusion.h"

#include <cstdint>
#include <map>
#include <utility>

namespace thex::circuit {

bool rotates(const Program& program, const TransformGroup& group) {
  for (const std::size_t t : group.transforms) {
    const TransformTerms& terms = *program.transforms[t].terms;
    if (!terms.rotations.empty() || terms.at.begin()->first != 0 || terms.at.size() > 1) return true;
  }
  return false;
}

Fusion find_fusion(const Program& program, std::span<const ckks::Level> levels) {
  Fusion fusion;
  fusion.nodes.resize(program.nodes.size());
  std::vector<std::int32_t> transform_of(program.nodes.size(), -1), sum_of(program.nodes.size(), -1);
  for (std::size_t t = 0; t < program.transforms.size(); ++t)
    transform_of[program.transforms[t].output] = static_cast<std::int32_t>(t);
  for (std::size_t s = 0; s < program.rotation_sums.size(); ++s)
    sum_of[program.rotation_sums[s].output] = static_cast<std::int32_t>(s);

  // What is needed, from the end; a fused output needs its inputs only.
  std::vector<bool> needed(program.nodes.size(), false);
  const auto need = [&](NodeId id) { needed[id] = true; };
  for (NodeId id : program.results) need(id);
  for (const ClientStep& step : program.steps) {
    for (NodeId id : step.inputs) need(id);
    for (NodeId id : step.refreshed) need(id);
  }
  for (std::size_t id = program.nodes.size(); id-- > 0;) {
    if (!needed[id]) continue;
    if (transform_of[id] >= 0) {
      fusion.nodes[id] = {Fusion::How::transform, static_cast<std::size_t>(transform_of[id])};
      for (NodeId input : program.transforms[fusion.nodes[id].index].inputs) need(input);
    } else if (sum_of[id] >= 0) {
      fusion.nodes[id] = {Fusion::How::sum, static_cast<std::size_t>(sum_of[id])};
      for (NodeId input : program.rotation_sums[fusion.nodes[id].index].inputs) need(input);
    } else {
      fusion.nodes[id].how = Fusion::How::alone;
      for (NodeId input : program.nodes[id].inputs) need(input);
    }
  }

  std::map<std::pair<std::vector<NodeId>, ckks::Level>, std::size_t> group_of;
  for (std::size_t id = 0; id < program.nodes.size(); ++id) {
    Fusion::Item& item = fusion.nodes[id];
    if (item.how != Fusion::How::transform) continue;
    const std::size_t t = item.index;
    const ckks::Level level = levels[id] + 1;
    const auto [it, inserted] = group_of.try_emplace({program.transforms[t].inputs, level}, fusion.groups.size());
    if (inserted) fusion.groups.push_back({{}, level});
    fusion.groups[it->second].transforms.push_back(t);
    item.index = it->second;
  }
  return fusion;
}

}  // namespace thex::circuit
