// The ciphertexts that the server sends for a step or as the result, in the forms in which they travel: masked values
// rounded (ckks/rounded_ciphertext.h), others in full.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "thex/ckks/ciphertext.h"
#include "thex/encoder/inference_plan.h"
#include "thex/protocol/message.h"

namespace thex::protocol {

// Server. `step`: the number of steps for the result; ciphertexts in the order of circuit::to_client().
std::vector<Bytes> write_step(const encoder::InferencePlan& plan, std::size_t program, std::size_t step,
                              std::span<const ckks::Ciphertext> ciphertexts, int threads);
// Client. Throws Error(protocol) for a message that is not exactly such a step.
std::vector<ckks::Ciphertext> read_step(const encoder::InferencePlan& plan, std::size_t program, std::size_t step,
                                        ByteView payload, int threads);

}  // namespace thex::protocol
