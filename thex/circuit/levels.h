// Levels of a program's values, from the program alone, independent of any ring.
//
// They are assigned backwards: what the client decrypts is at level 0, and every value is produced at the lowest level
// that its users allow, so that no operation is dearer than it must be.
#pragma once

#include "thex/circuit/plan.h"

namespace thex::circuit {

// Fills level, urgency and depth. Throws Error(internal) when a refreshed value is used otherwise than in a weighted
// sum, rotated or not.
ProgramPlan assign_levels(const Program& program);

}  // namespace thex::circuit
