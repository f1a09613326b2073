// A masked refresh (ckks/masked_refresh.h), the server's two parts and the client's turn, at the parameters of
// masked-rounds plans. Internal to the benchmarks.
#pragma once

#include <vector>

#include "thex/measure/engine_cases.h"

namespace thex::measure {

void add_refresh_cases(std::vector<Case>& cases);

}  // namespace thex::measure
