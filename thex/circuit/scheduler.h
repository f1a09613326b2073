// Runs a graph of tasks on a few threads, most urgent first. A task may block (a network round trip); the others go on.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "thex/base/parallel.h"

namespace thex::circuit {

struct Task {
  // Gets a loop over pieces of its own work, which threads without a task take part in.
  std::function<void(const ParallelFor&)> run;
  std::vector<std::size_t> after;  // tasks that must have finished
  int urgency = 0;                 // lower runs first; ties in index order
};

// Returns when all tasks have run. The first exception stops the start of further tasks and is rethrown when running
// ones ended. Tasks may only depend on tasks with a smaller index. threads >= 1 counts the calling thread.
void run_tasks(const std::vector<Task>& tasks, int threads);

}  // namespace thex::circuit
