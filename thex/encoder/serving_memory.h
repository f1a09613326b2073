// The memory that serving a plan takes: which circuits keep their encoded weights, and the most that one client's query
// takes beside them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "thex/encoder/inference_plan.h"

namespace thex::encoder {

struct CircuitMemory {
  bool keeps_weights = true;       // else they are encoded while it runs
  std::size_t weight_bytes = 0;    // encoded, kept or not
  std::size_t encoding_bytes = 0;  // the most that is encoded at once while it runs; 0 if they are kept
  std::size_t working_bytes = 0;   // ciphertexts of a run on one thread, and encoding_bytes
  std::size_t thread_bytes = 0;    // what every further thread may add, what it encodes included

  std::size_t run_bytes(int threads) const {
    return working_bytes + static_cast<std::size_t>(std::max(threads, 1) - 1) * thread_bytes;
  }
};

// Per program of the plan, for a server that may hold `limit` bytes: circuits keep their weights, in the order of the
// plan, as long as all of those take a third of it at most.
std::vector<CircuitMemory> circuit_memory(const InferencePlan& plan, std::size_t limit);

// The most that a server of the model takes for one client: the weights as they were loaded and all that are kept
// encoded, the client's keys, and the largest run on so many threads with the messages of a query. What every process
// takes, and what planning took, is counted as kProcessBytes.
inline constexpr std::size_t kProcessBytes = std::size_t{64} << 20;
std::size_t peak_memory(const model::ModelConfig& config, const InferencePlan& plan,
                        const std::vector<CircuitMemory>& circuits, int threads);
// Of `thex serve` with its defaults on this machine, half of whose memory is for clients.
std::size_t peak_memory_here(const model::ModelConfig& config, const InferencePlan& plan);

}  // namespace thex::encoder
