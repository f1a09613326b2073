// How much memory the ciphertexts of one run make the pool hold at most, from its task graph alone: for admission by
// memory.
//
// Two runs are followed on one thread, value by value, in the order in which the scheduler takes tasks: one whose
// client answers at once, and one whose client answers only when nothing else is left to do. Blocks are counted as the
// memory pool hands them out (ring/block_size.h), each size for itself, because a free block serves its size alone;
// masks of a refresh until the client has answered. Keys and plaintexts, which runs share, are not counted.
#pragma once

#include <cstddef>

#include "thex/circuit/task_graph.h"

namespace thex::circuit {

struct WorkingMemory {
  std::size_t bytes = 0;         // on one thread
  std::size_t thread_bytes = 0;  // of the largest blocks of any task: what every further thread may add
};

WorkingMemory working_memory(const Program& program, const TaskGraph& graph, const ckks::ContextSpec& spec);

}  // namespace thex::circuit
