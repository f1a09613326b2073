#include "thex/circuit/levels.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/circuit/refresh.h"

namespace thex::circuit {

ckks::Level input_level(const Node& node, ckks::Level output) {
  return node.op == Op::refresh ? rule_of(node.refresh).input : output + consumed_levels(node.op);
}

namespace {

[[noreturn]] void misuse(const Node& node, const char* what) {
  throw Error(ErrorCode::internal, "circuit step '" + std::string(node.label) + "' " + what);
}

// Whether a node's result has the scale that its inputs have, or, of a constant that is added, takes it on.
bool carries_scale(Op op) { return leaves_scale(op) || op == Op::add_plain; }

// The scales of a program whose levels are known.
class Scales {
 public:
  Scales(const Program& program, const std::vector<ckks::Level>& level)
      : program_(program), level_(level), scale_level_(level), users_(program.nodes.size()) {
    for (std::size_t id = 0; id < program.nodes.size(); ++id)
      for (const NodeId input : program.nodes[id].inputs) users_[input].push_back(id);
    for (const NodeId id : program.results) shown_.insert(id);
    for (const ClientStep& step : program.steps) shown_.insert(step.inputs.begin(), step.inputs.end());
  }

  std::vector<ckks::Level> assign() && {
    for (std::size_t id = 0; id < program_.nodes.size(); ++id) {
      const Node& node = program_.nodes[id];
      if (node.op == Op::refresh)
        refresh(id, node);
      else if (!given_.contains(id))
        follow(id, node);
    }
    for (const NodeId id : shown_)
      if (scale_level_[id] != level_[id]) misuse(program_.nodes[id], "sends a refreshed value to the client");
    return std::move(scale_level_);
  }

 private:
  // A value's scale is that of its inputs or canonical.
  void follow(NodeId id, const Node& node) {
    bool odd = false;
    for (const NodeId input : node.inputs) odd = odd || (scale_level_[input] != level_[input]);
    if (!odd || weighs(node.op)) return;
    if (!leaves_scale(node.op)) misuse(node, "uses a refreshed value outside a weighted sum");
    scale_level_[id] = scale_level_[node.inputs[0]];
    for (const NodeId input : node.inputs)
      if (scale_level_[input] != scale_level_[id]) misuse(node, "uses a refreshed value outside a weighted sum");
  }

  void refresh(NodeId id, const Node& node) {
    const RefreshRule& rule = rule_of(node.refresh);
    if (!rule.keeps_scale) return;
    std::set<NodeId> made_of;
    if (gather(node.inputs[0], rule.input, made_of) && only_for(id, made_of)) {
      for (const NodeId part : made_of) scale_level_[part] = level_[id];
      given_.insert(made_of.begin(), made_of.end());
    } else {
      scale_level_[id] = rule.input;
    }
  }

  // What a value at that level is made of, back to weighted sums; false when it has another beginning.
  bool gather(NodeId id, ckks::Level level, std::set<NodeId>& made_of) const {
    const Node& node = program_.nodes[id];
    if (level_[id] != level || shown_.contains(id) || given_.contains(id)) return false;
    if (!made_of.insert(id).second || weighs(node.op)) return true;
    return carries_scale(node.op) &&
           std::ranges::all_of(node.inputs, [&](NodeId input) { return gather(input, level, made_of); });
  }

  bool only_for(NodeId refreshed, const std::set<NodeId>& made_of) const {
    return std::ranges::all_of(made_of, [&](NodeId part) {
      return std::ranges::all_of(users_[part],
                                 [&](NodeId user) { return user == refreshed || made_of.contains(user); });
    });
  }

  const Program& program_;
  const std::vector<ckks::Level>& level_;
  std::vector<ckks::Level> scale_level_;
  std::vector<std::vector<NodeId>> users_;
  std::set<NodeId> shown_;  // to the client
  std::set<NodeId> given_;  // have the scale of a refresh's result
};

}  // namespace

ProgramPlan assign_levels(const Program& program) {
  ProgramPlan plan;
  const std::size_t n = program.nodes.size();
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
    for (NodeId input : node.inputs) {
      plan.level[input] = std::max(plan.level[input], needed);
      plan.urgency[input] = std::min(plan.urgency[input], urgency);
    }
    if (starts_chain(node)) plan.depth = std::max(plan.depth, plan.level[i]);
  }
  plan.scale_level = Scales(program, plan.level).assign();
  return plan;
}

}  // namespace thex::circuit
