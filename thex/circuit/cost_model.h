// What an operation costs, in limb passes: the planner compares parameters with it and `thex inspect` states a time.
// The unit costs were measured with bench/ckks_bench on one core with AVX-512 IFMA; without it expect 3 to 6 times
// more.
#pragma once

#include "thex/ckks/context.h"

namespace thex::circuit {

struct CostModel {
  int log_n = 14;
  int digit_limbs = 1;
  int special = 1;

  double ntt() const;   // one limb, seconds
  double pass() const;  // one multiply-accumulate over one limb
  double decompose(int level) const;
  double key_product(int level) const;  // inner product with a switching key, and ModDown
  double rotate(int level) const { return decompose(level) + key_product(level); }
  double rescale(int level) const;  // from `level` to level - 1, two parts
};

}  // namespace thex::circuit
