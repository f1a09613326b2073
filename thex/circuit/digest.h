// What two sides must agree on about planned circuits, as values for a hash (base/hasher.h): whoever has equal ones
// sends and expects the same ciphertexts, with the same keys, and reads them alike.
//
// Covered: parameters and primes, the keys, and of each program its nodes with all their parameters and levels, client
// steps with functions and sources, linear transforms diagonal by diagonal, sums of rotations, period and kind of plain
// vectors, results and how they are hidden. Not covered: the values of plain vectors (the model's digests), labels,
// and what only one side needs (estimates, predictions, the order of work).
//
// Every member of the types is named where it is hashed, so that a new one does not compile before somebody has decided
// whether the other side must know it.
#pragma once

#include "thex/base/hasher.h"
#include "thex/circuit/plan.h"

namespace thex::circuit {

void update(Hasher& to, const Plan& plan);

}  // namespace thex::circuit
