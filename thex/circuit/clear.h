// The clear interpreter: the program on doubles. With a noise model it simulates the fixed-point and CKKS noise of a
// plan.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "thex/circuit/planner.h"
#include "thex/circuit/program.h"

namespace thex::circuit {

// Noise to simulate: every node's result gets a Gaussian error of the size that noise_model.h says the operation adds.
struct NoiseModel {
  const ckks::Context* context = nullptr;  // scales and ring of the plan
  const ProgramPlan* plan = nullptr;       // levels
  std::uint64_t seed = 0;
};

struct ClearResult {
  std::vector<double> logits;
  double max_client_value = 0;  // largest |value| that the client decrypts
  double max_value = 0;         // largest |slot| anywhere
};

// Watches a run node by node, and may change its values.
class ClearObserver {
 public:
  struct Values {
    const std::vector<std::vector<double>>& nodes;  // the slots by node; empty before a node is computed and after its
                                                    // last use
    std::function<const std::vector<double>&(PlainId)> plain;  // one period
  };
  virtual ~ClearObserver() = default;
  // The client is about to take a step after the first; the step's inputs are there.
  virtual void turn(std::size_t, const Values&) {}
  // Node `id` was computed into `slots`; its inputs are there.
  virtual void computed(NodeId id, std::vector<double>& slots, const Values& values) = 0;
  // The node's slots are no longer needed.
  virtual void released(NodeId) {}
};

// `embeddings`: sentence_length * hidden values, row-major.
ClearResult run_clear(const Program& program, std::span<const double> embeddings, int sentence_length,
                      const std::optional<NoiseModel>& noise = std::nullopt);
ClearResult run_clear(const Program& program, std::span<const double> embeddings, int sentence_length,
                      ClearObserver& observer);

// The slot vector of every node; for tests.
std::vector<std::vector<double>> trace_clear(const Program& program, std::span<const double> embeddings,
                                             int sentence_length);

}  // namespace thex::circuit
