#include "thex/circuit/task_graph.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "thex/circuit/levels.h"
#include "thex/circuit/refresh.h"

namespace thex::circuit {
namespace {

using Kind = TaskGraph::Kind;
using Task = TaskGraph::Task;
constexpr std::size_t kNone = TaskGraph::kNone;

class GraphBuilder {
 public:
  GraphBuilder(const Program& program, const ProgramPlan& plan)
      : program_(program), plan_(plan), task_of_value_(program.nodes.size(), kNone) {
    graph_.fusion = find_fusion(program, plan.level);
    graph_.value_level = plan.level;
    graph_.value_uses.assign(program.nodes.size(), 0);
    task_of_group_.assign(graph_.fusion.groups.size(), kNone);
    for (std::size_t id = 0; id < program.nodes.size(); ++id)
      if (program.nodes[id].op == Op::rotate && graph_.fusion.needed[id])
        ++rotations_of_[{program.nodes[id].inputs[0], plan.level[id]}];
  }

  TaskGraph build() && {
    for (std::size_t id = 0; id < program_.nodes.size(); ++id) {
      const Node& node = program_.nodes[id];
      const std::size_t group = graph_.fusion.group_of[id];
      if (comes_from_client(node)) {
        while (graph_.from_client.size() <= node.step) add_client_step(graph_.from_client.size());
      } else if (group != Fusion::kNone) {
        if (task_of_group_[group] == kNone) add_group(group);
      } else if (graph_.fusion.needed[id]) {
        add_node(id);
      }
    }
    for (const NodeId result : program_.results) {
      graph_.results.push_back(at_level(result, 0, false, plan_.urgency[result]));
      ++graph_.value_uses[graph_.results.back()];
    }
    return std::move(graph_);
  }

 private:
  // Appends a task that waits for the makers of what it reads, and for `after`.
  std::size_t add(Task task, int urgency, std::vector<std::size_t> after = {}) {
    for (const std::size_t value : task.reads) {
      after.push_back(task_of_value_[value]);
      ++graph_.value_uses[value];
    }
    const std::size_t number = graph_.order.add(urgency, after, task.kind == Kind::from_client);
    for (const std::size_t value : task.writes) task_of_value_[value] = number;
    graph_.tasks.push_back(std::move(task));
    return number;
  }

  // The value that holds `node` at `level`: itself when it is planned there, else a lowered copy that is shared.
  std::size_t at_level(NodeId node, ckks::Level level, bool keep_scale, int urgency) {
    if (plan_.level[node] == level) return node;
    const auto [it, inserted] = lowered_.try_emplace({node, level, keep_scale}, graph_.value_level.size());
    if (inserted) {
      graph_.value_level.push_back(level);
      graph_.value_uses.push_back(0);
      task_of_value_.push_back(kNone);
      add({.kind = keep_scale ? Kind::drop : Kind::align,
           .index = node,
           .level = level,
           .reads = {node},
           .writes = {it->second},
           .node = node},
          urgency);
    }
    return it->second;
  }

  // The client's answers follow each other, whatever else goes on.
  void add_client_step(std::size_t step) {
    std::vector<std::size_t> after;
    if (step > 0) {
      Task out{.kind = Kind::to_client, .index = step};
      for (const Travelling& t : to_client(program_, plan_, step))
        out.reads.push_back(at_level(t.node, t.level, false, -1));
      after.push_back(add(std::move(out), -1, {graph_.from_client[step - 1]}));
    }
    Task in{.kind = Kind::from_client, .index = step};
    for (const Travelling& t : to_server(program_, plan_, step)) in.writes.push_back(t.node);
    graph_.from_client.push_back(add(std::move(in), -1, std::move(after)));
  }

  // As urgent as its most urgent result.
  void add_group(std::size_t number) {
    const TransformGroup& group = graph_.fusion.groups[number];
    const NodeId first = group.nodes[0];
    Task task{.kind = Kind::transform, .index = number, .level = group.level - 1, .node = first};
    int urgency = std::numeric_limits<int>::max();
    for (const NodeId output : group.nodes) {
      urgency = std::min(urgency, plan_.urgency[output]);
      task.writes.push_back(output);
    }
    for (const NodeId input : program_.nodes[first].inputs)
      task.reads.push_back(at_level(input, group.level, true, urgency));
    task_of_group_[number] = add(std::move(task), urgency);
  }

  void add_node(std::size_t id) {
    const Node& node = program_.nodes[id];
    const ckks::Level level = input_level(node, plan_.level[id]);
    Task task{.kind = Kind::node, .index = id, .level = plan_.level[id], .writes = {id}, .node = id};
    for (const NodeId input : node.inputs)
      task.reads.push_back(
          at_level(input, level, weighs(node.op) || plan_.scale_level[input] != plan_.level[input], plan_.urgency[id]));
    std::vector<std::size_t> after;
    if (node.op == Op::rotate && rotations_of_.at({node.inputs[0], plan_.level[id]}) > 1) {
      const auto [digits, maker] = digits_of(task.reads[0], node.inputs[0], level, plan_.urgency[id]);
      task.digits = digits;
      ++graph_.digit_uses[digits];
      after.push_back(maker);
    }
    add(std::move(task), plan_.urgency[id], std::move(after));
  }

  // The digits of a value that several rotations share, and the task that makes them.
  std::pair<std::size_t, std::size_t> digits_of(std::size_t value, NodeId node, ckks::Level level, int urgency) {
    const auto [it, inserted] = digits_.try_emplace({value, level}, graph_.digit_uses.size(), kNone);
    if (inserted) {
      graph_.digit_uses.push_back(0);
      it->second.second =
          add({.kind = Kind::decompose, .index = it->second.first, .level = level, .reads = {value}, .node = node},
              urgency);
    }
    return it->second;
  }

  const Program& program_;
  const ProgramPlan& plan_;
  TaskGraph graph_;
  std::vector<std::size_t> task_of_value_, task_of_group_;
  std::map<std::pair<NodeId, ckks::Level>, int> rotations_of_;            // (node, level) -> alone
  std::map<std::tuple<NodeId, ckks::Level, bool>, std::size_t> lowered_;  // (node, level, scale kept) -> value
  std::map<std::pair<std::size_t, ckks::Level>, std::pair<std::size_t, std::size_t>> digits_;  // (value, level)
};

}  // namespace

TaskGraph make_task_graph(const Program& program, const ProgramPlan& plan) {
  return GraphBuilder(program, plan).build();
}

}  // namespace thex::circuit
