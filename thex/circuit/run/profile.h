// Where the time of runs goes: by the label and the operation of their tasks.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "thex/circuit/task_graph.h"

namespace thex::circuit {

struct NodeTime {
  std::string label;
  Op op;
  double seconds = 0;     // of all threads together, but for the pieces that others took over
  std::size_t count = 0;  // operations; lowered copies and shared digits count as none
};

// Safe to share between threads, and between runs of one program.
class RunProfile {
 public:
  void add(const Program& program, const TaskGraph::Task& task, double seconds);
  // In the order of labels and operations.
  std::vector<NodeTime> times() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, Op>, NodeTime> times_;
};

}  // namespace thex::circuit
