// Levels of a program's values, from the program alone, independent of any ring.
//
// They are assigned backwards: what the client decrypts is at level 0, and every value is produced at the lowest level
// that its users allow, so that no operation is dearer than it must be.
#pragma once

#include "thex/circuit/plan.h"

namespace thex::circuit {

// The level at which an operation takes its inputs when its result is at `output`.
ckks::Level input_level(const Node& node, ckks::Level output);

// Fills level, urgency and depth. Throws Error(internal) when a value that keeps the scale of a refresh is used
// otherwise than in a weighted sum, rotated or not, or is sent to the client.
ProgramPlan assign_levels(const Program& program);

}  // namespace thex::circuit
