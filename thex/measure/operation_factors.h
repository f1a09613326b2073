// What the operations of a circuit cost on this machine, in units of the planner's prices (circuit/cost_model.h).
#pragma once

#include "thex/circuit/cost_model.h"

namespace thex::measure {

// Measured one by one with the process's instruction set, on one thread, each for about `budget` seconds in rings of
// 2^14 and 2^15; the geometric mean of both.
circuit::OperationFactors measure_operation_factors(double budget = 0.5);

}  // namespace thex::measure
