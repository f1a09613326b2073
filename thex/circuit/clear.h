// The clear interpreter: the program on doubles. With a noise model it simulates the fixed-point and CKKS noise of a
// plan.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "thex/circuit/planner.h"
#include "thex/circuit/program.h"

namespace thex::circuit {

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

// `embeddings`: sentence_length * hidden values, row-major.
ClearResult run_clear(const Program& program, std::span<const double> embeddings, int sentence_length,
                      const std::optional<NoiseModel>& noise = std::nullopt);

// The slot vector of every node; for tests.
std::vector<std::vector<double>> trace_clear(const Program& program, std::span<const double> embeddings,
                                             int sentence_length);

}  // namespace thex::circuit
