// How much memory a training needs, told before it starts.
#pragma once

#include <cstdint>

#include "thex/model/config.h"

namespace thex::convert {

struct MemoryEstimate {
  std::uint64_t weights = 0;     // one copy
  std::uint64_t parameters = 0;  // weights, gradients, two moments, the best epoch's copy, and what an epoch began with
  std::uint64_t activations = 0;  // of one batch of examples at full length, kept for the backward pass
  std::uint64_t total() const { return parameters + activations; }
};

// In bytes. `runs_teacher`: a model of the same shape runs beside it.
MemoryEstimate training_memory(const model::ModelConfig& config, std::uint64_t batch, std::uint64_t length,
                               bool runs_teacher);

// The same where polynomials are found in closed form first (deep_start.h), on so many tokens: two plain models run
// beside, and either the fit or the batch takes more.
MemoryEstimate deep_training_memory(const model::ModelConfig& config, std::uint64_t batch, std::uint64_t length,
                                    std::uint64_t tokens);

// What the system could give now; 0 when it does not say.
std::uint64_t available_memory();

}  // namespace thex::convert
