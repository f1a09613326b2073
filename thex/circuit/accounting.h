// Counts, estimated time and key requirements of one program under given parameters.
#pragma once

#include <cstddef>

#include "thex/circuit/planner.h"
#include "thex/circuit/program.h"

namespace thex::circuit {

// Adds to plan.counts, plan.estimated_seconds and keys.
void account(const Program& program, ProgramPlan& plan, const ckks::ContextSpec& spec, ckks::KeyRequirements& keys);

// Memory of the encoded plain vectors: a compact plaintext of period H takes 2H words a limb, and special limbs too
// where a linear transform rotates.
std::size_t plaintext_bytes(const Program& program, const ProgramPlan& plan, const ckks::ContextSpec& spec);

}  // namespace thex::circuit
