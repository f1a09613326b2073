#include "thex/circuit/fusion.h"

#include <map>
#include <utility>

namespace thex::circuit {

bool rotates(const Program& program, const TransformGroup& group) {
  for (const std::size_t t : group.transforms) {
    for (const auto& [g, terms] : program.transforms[t].at) {
      if (g != 0) return true;
      for (const FusedTransform::Term& term : terms) {
        if (term.steps != 0) return true;
      }
    }
  }
  return false;
}

Fusion find_fusion(const Program& program, std::span<const ckks::Level> levels) {
  Fusion fusion;
  fusion.nodes.resize(program.nodes.size());
  std::map<NodeId, std::size_t> transform_of, sum_of;
  for (std::size_t t = 0; t < program.transforms.size(); ++t) transform_of[program.transforms[t].output] = t;
  for (std::size_t s = 0; s < program.rotation_sums.size(); ++s) sum_of[program.rotation_sums[s].output] = s;

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
    if (const auto t = transform_of.find(id); t != transform_of.end()) {
      fusion.nodes[id] = {Fusion::How::transform, t->second};
      for (NodeId input : program.transforms[t->second].inputs) need(input);
    } else if (const auto s = sum_of.find(id); s != sum_of.end()) {
      fusion.nodes[id] = {Fusion::How::sum, s->second};
      for (NodeId input : program.rotation_sums[s->second].inputs) need(input);
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
