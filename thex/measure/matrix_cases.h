// A matrix times packed rows as the server does it (circuit/library/matrix.h, run as one linear transform), with
// compact plaintexts of the matrix's period and with the same diagonals as full polynomials. Internal to the
// benchmarks.
#pragma once

#include <vector>

#include "thex/measure/engine_cases.h"

namespace thex::measure {

void add_matrix_cases(std::vector<Case>& cases);

}  // namespace thex::measure
