// What two sides must agree on about parameters, keys and answers, as values for a hash (base/hasher.h).
//
// Every member of these types is named where it is hashed, so that a new one does not compile before somebody has
// decided whether the other side must know it.
#pragma once

#include "thex/base/hasher.h"
#include "thex/ckks/answer_hiding.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"

namespace thex::ckks {

// The specification and the primes themselves; the scales of all levels follow from them.
void update(Hasher& to, const Context& context);
void update(Hasher& to, const KeyRequirements& keys);
void update(Hasher& to, const AnswerHiding& hiding);

}  // namespace thex::ckks
