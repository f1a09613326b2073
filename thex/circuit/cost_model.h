// What an operation costs, in limb passes: the planner compares parameters with it and `thex inspect` states a time.
// The unit costs are those of whole sentences on one core with AVX-512 IFMA (encoder_bench with THEX_PROFILE=1), where
// operands come from farther away than in a benchmark of one operation; without IFMA expect 2 to 6 times more.
#pragma once

#include "thex/ckks/context.h"

namespace thex::circuit {

// The work of a program, in the parts that its operations are made of, at one level.
struct LevelWork {
  double decompositions = 0;      // digits of one polynomial
  double key_products = 0;        // digits times a switching key, both parts, and the automorphism
  double divisions = 0;           // of one polynomial by P (ModDown)
  double rescales = 0;            // both parts, to the level below
  double transform_products = 0;  // both parts with one plaintext factor inside a linear transform
  double products = 0;            // multiply-adds over one limb
  double sums = 0;                // sums over one limb
};

// What each kind of work costs on some machine, as a multiple of this model's price (`thex bench --calibrate` measures
// it). Both sides choose plans by the model alone, so that they choose alike.
struct OperationFactors {
  double decompositions = 1;
  double key_products = 1;  // and divisions, which follow them
  double rescales = 1;
  double transform_products = 1;
  double products = 1;  // and sums
};

struct CostModel {
  int log_n = 14;
  std::size_t digit_limbs = 1;
  std::size_t special = 1;  // number of special primes

  static CostModel of_spec(const ckks::ContextSpec& spec);

  // Seconds.
  double of(const LevelWork& work, ckks::Level level, const OperationFactors& factors = {}) const;
  double ntt() const;                               // one limb
  double pass() const;                              // one multiply-accumulate over one limb
  double decompose(ckks::Level level) const;        // the digits of one part
  double key_multiply(ckks::Level level) const;     // digits times a switching key, both parts, and the automorphism
  double divide(ckks::Level level) const;           // one part by P (ModDown)
  double rescale(ckks::Level level) const;          // from `level` to level - 1, two parts
  double cached_products(ckks::Level level) const;  // one plaintext factor inside a linear transform, two parts
};

}  // namespace thex::circuit
