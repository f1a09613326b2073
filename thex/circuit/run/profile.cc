#include "thex/circuit/run/profile.h"

namespace thex::circuit {

void RunProfile::add(const Program& program, const TaskGraph::Task& task, double seconds) {
  using Kind = TaskGraph::Kind;
  const Node& node = program.nodes[task.node];
  Op op = Op::add_plain;
  bool counts = true;
  switch (task.kind) {
    case Kind::node:
      op = node.op;
      break;
    case Kind::transform:
      op = Op::linear_transform;
      break;
    case Kind::decompose:
      op = Op::rotate;
      counts = false;
      break;
    case Kind::align:
    case Kind::drop:
      counts = false;
      break;
    case Kind::to_client:
    case Kind::from_client:
      return;
  }
  const std::lock_guard lock(mutex_);
  NodeTime& entry = times_[{std::string(node.label), op}];
  entry.label = node.label;
  entry.op = op;
  entry.seconds += seconds;
  entry.count += counts ? 1 : 0;
}

std::vector<NodeTime> RunProfile::times() const {
  const std::lock_guard lock(mutex_);
  std::vector<NodeTime> list;
  for (const auto& [key, time] : times_) list.push_back(time);
  return list;
}

}  // namespace thex::circuit
