// Which sentences share a query, so that many of them cost little.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "thex/encoder/inference_plan.h"

namespace thex::client {

// The sentences of each query, by their numbers: sentence i has lengths[i] tokens. Every sentence is in one of them.
// Full batches first; what is left of a length goes the way that the plan's estimates say is cheapest: as a batch with
// empty places, one by one, or into free places of the next length. Throws Error(input) for a sentence that is too
// long.
std::vector<std::vector<std::size_t>> make_batches(const encoder::InferencePlan& plan, std::span<const int> lengths);

}  // namespace thex::client
