// The clear interpreter: the program on doubles. With a noise model it simulates the fixed-point and CKKS noise of a
// plan.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "thex/circuit/noise_model.h"
#include "thex/circuit/plan.h"
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

// `embeddings`: tokens * hidden values, row-major; in a batch one padded matrix after the other.
ClearResult run_clear(const Program& program, std::span<const double> embeddings, const Lengths& lengths,
                      const std::optional<NoiseModel>& noise = std::nullopt);

// The errors that `runs` simulated runs show beside an exact one, at every node: correlations, positions and ReLU are
// as they will be. Of a single slot it is as uncertain as a standard deviation of `runs` samples.
NoiseEstimate simulate_noise(const Program& program, const NoiseModel& noise, std::span<const double> embeddings,
                             const Lengths& lengths, int runs = 4);

// The slot vector of every node; for tests.
std::vector<std::vector<double>> trace_clear(const Program& program, std::span<const double> embeddings,
                                             const Lengths& lengths);

}  // namespace thex::circuit
