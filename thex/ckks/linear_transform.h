// Linear transforms of encrypted vectors as one operation: sums of rotations, each times a plaintext, by baby steps and
// giant steps with double hoisting (Halevi, Shoup, CRYPTO 2018, ePrint 2018/244; Bossuat, Mouchet, Troncoso-Pastoriza,
// Hubaux, EUROCRYPT 2021, ePrint 2020/1203).
//
// Baby rotations stay multiplied by P, modulo the chain and the special primes, and are never stored: one range of one
// prime at a time, they are made from the shared digits and multiplied into every inner sum that needs them. A giant
// step divides only c_1 by P, for its digits; the result is divided once, by P q_level.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"

namespace thex::ckks {

struct LinearTransform {
  struct Term {
    std::size_t input = 0;  // which of the inputs
    int steps = 0;          // rotated by so many slots (the baby step)
    const Plaintext* factor =
        nullptr;  // at the inputs' level, from Encoder::encode_extended; compact ones stay compact
  };
  int giant_step = 0;
  // The result is the sum over g of (sum of terms at[g]) rotated by g * giant_step slots. Giant steps are taken one
  // after the other towards g = 0 (Horner), so they need the keys of giant_step (g > 0) and -giant_step (g < 0) only.
  std::map<int, std::vector<Term>> at;
};

// Applies several transforms to the same inputs, sharing their baby steps; every result is one level lower, rescaled.
// Inputs: two parts, one common level >= 1. Within one transform all products of an input's scale and its factor's
// scale agree within 2^-30; that product divided by q_level is the scale of its result, which has two parts. At least
// one term for every g. Where anything is rotated, all factors have residues modulo the special primes. `parallel` says
// how the work is offered to other threads; the results do not depend on it. Throws Error(crypto) for what does not fit
// and Error(keys) for a rotation without a key.
std::vector<Ciphertext> linear_transforms(const Context& context, std::span<const Ciphertext* const> inputs,
                                          std::span<const LinearTransform> transforms, const EvaluationKeys& keys,
                                          const ParallelFor& parallel = serial_for);

}  // namespace thex::ckks
