// How long each message of a plan is, to the byte: what both sides check before they allocate.
#pragma once

#include <cstddef>
#include <vector>

#include "thex/encoder/inference_plan.h"

namespace thex::protocol {

// Lengths of the seeded ciphertexts that the client sends after step `step` of program `program` (step 0: the query).
std::vector<std::size_t> fresh_sizes(const encoder::InferencePlan& plan, std::size_t program, std::size_t step);
// Lengths of the ciphertexts that the server sends for step `step` >= 1; for the number of steps, those of the result.
std::vector<std::size_t> step_sizes(const encoder::InferencePlan& plan, std::size_t program, std::size_t step);

// Payload length of a message with these ciphertexts.
std::size_t message_bytes(const std::vector<std::size_t>& sizes);
// The longest query of any program.
std::size_t max_query_bytes(const encoder::InferencePlan& plan);
// The serialized evaluation keys.
std::size_t key_bytes(const encoder::InferencePlan& plan);

}  // namespace thex::protocol
