// What a run of a planned program does, as data: its tasks, the values that each reads and writes, and their order.
//
// An interpreter on ciphertexts runs it (run/ckks_run.h), on this machine's threads or elsewhere; working_memory.h
// follows the values that it keeps alive. Values are numbered: the program's nodes first, then lowered copies of nodes,
// each made once for all tasks that read the node at that level.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "thex/circuit/fusion.h"
#include "thex/circuit/plan.h"
#include "thex/circuit/task_order.h"

namespace thex::circuit {

struct TaskGraph {
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  enum class Kind {
    node,         // evaluates node `index`
    align,        // writes what it reads at `level` and its canonical scale
    drop,         // writes what it reads at `level`, scale kept
    decompose,    // makes digits `index` of what it reads
    transform,    // group `index` of linear transforms (Fusion::groups)
    to_client,    // what client step `index` decrypts is there (to_client() in plan.h: the same order)
    from_client,  // takes what the client sends after step `index`: waits for it at a gate (scheduler.h)
  };

  struct Task {
    Kind kind = Kind::node;
    std::size_t index = 0;
    ckks::Level level;                // of what it writes
    std::vector<std::size_t> reads;   // values, each as often as it is an operand; an entry is one use
    std::vector<std::size_t> writes;  // values; in the order of to_server() for from_client
    std::size_t digits = kNone;       // of a rotation that shares them with others
    NodeId node = 0;                  // whose label tells the task in a profile
  };

  std::vector<Task> tasks;
  TaskOrder order;  // of the same tasks
  Fusion fusion;
  std::vector<ckks::Level> value_level;  // per value
  std::vector<int> value_uses;           // per value: entries in `reads`, and one for each result
  std::vector<int> digit_uses;           // per digits: rotations
  std::vector<std::size_t> results;      // values
  std::vector<std::size_t> from_client;  // per client step: its task
};

TaskGraph make_task_graph(const Program& program, const ProgramPlan& plan);

}  // namespace thex::circuit
