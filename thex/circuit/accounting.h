// Counts, estimated time and key requirements of one program under given parameters.
#pragma once

#include "thex/circuit/planner.h"
#include "thex/circuit/program.h"

namespace thex::circuit {

// Adds to plan.counts, plan.estimated_seconds and keys.
void account(const Program& program, ProgramPlan& plan, const ckks::ContextSpec& spec, ckks::KeyRequirements& keys);

}  // namespace thex::circuit
