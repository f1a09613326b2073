// The inner sums of linear transforms (linear_transform.h): for every giant step of every transform, a sum of rotated
// inputs times plaintexts, multiplied by P. Internal to ckks.
//
// All are made together, one prime at a time and 1024 values of it at a time: every rotated input that some sum wants
// (a baby step) is made there from the shared digits, multiplied into each of these sums, and forgotten.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/ckks/ciphertext.h"
#include "thex/ckks/detail/rotated.h"
#include "thex/ckks/keys.h"
#include "thex/ckks/linear_transform.h"

namespace thex::ckks {

// Whether some input or sum is rotated. Only then the sums are multiplied by P and have limbs modulo the special primes
// that mean something; otherwise they are plain sums of products.
bool rotates(const Context& context, std::span<const LinearTransform> transforms);

// [t]: of transform t, by giant step, at the level of the inputs. Inputs and terms have been checked by the caller:
// two parts, one level, factors with special primes where rotates() says so. Throws Error(keys) for a missing key.
std::vector<std::map<int, Extended>> inner_sums(const Context& context, std::span<const Ciphertext* const> inputs,
                                                std::span<const LinearTransform> transforms, const EvaluationKeys& keys,
                                                const ParallelFor& parallel);

}  // namespace thex::ckks
