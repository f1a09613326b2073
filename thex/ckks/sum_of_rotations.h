// A sum of rotated ciphertexts as one operation, with one division by P instead of one for each rotation: the rotated
// values stay multiplied by P until they are summed (double hoisting: Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux,
// EUROCRYPT 2021).
#pragma once

#include <span>

#include "thex/base/parallel.h"
#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"

namespace thex::ckks {

// sum_k inputs[k] rotated by steps[k] slots, as Evaluator::rotate does. Inputs: at least one, two parts each, equal
// levels, and scales equal within 2^-30; the result has their level and the first one's scale. The digits of an input
// that occurs several times, at one address, are made once. `parallel` says how the work is offered to other threads.
// Throws Error(crypto) for what does not fit and Error(keys) for a rotation without a key of that level.
Ciphertext sum_of_rotations(const Context& context, std::span<const Ciphertext* const> inputs,
                            std::span<const int> steps, const EvaluationKeys& keys,
                            const ParallelFor& parallel = serial_for);

}  // namespace thex::ckks
