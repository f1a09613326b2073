// A rotation inside a double-hoisted linear transform (ckks/linear_transform.h): the share that one of several baby
// rotations, each times a periodic plaintext, has in the whole. Internal to the benchmarks.
#pragma once

#include <memory>

#include "thex/measure/engine_cases.h"
#include "thex/measure/fixture.h"

namespace thex::measure {

// `fixture` gives the ring and the input; the keys of the rotations are made here and go with the case.
Prepared prepare_transform_rotation(const std::shared_ptr<Fixture>& fixture);

}  // namespace thex::measure
