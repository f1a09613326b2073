// What operations on ciphertexts do, counted in rows of N residues: the planner's cost model puts a price on the counts
// (cost_model.h), and `thex bench` the least time that they can take on a machine (measure/bound.h).
//
// Hybrid key switching after Han and Ki (ePrint 2019/688): l limbs in digits of alpha primes, k special primes.
#pragma once

#include <cstddef>

namespace thex::circuit {

struct RowWork {
  double transforms = 0;   // number-theoretic transforms
  double converted = 0;    // rows that base conversions make
  double conversions = 0;  // multiply-adds of base conversions: one for each source prime of each of these rows
  double key_rows = 0;     // multiply-adds of digits with rows of a switching key
  double factors = 0;      // multiply-adds with rows of plaintexts inside a linear transform
  double products = 0;     // products with a constant, reduced
};
RowWork operator+(const RowWork& a, const RowWork& b);
RowWork operator*(double count, const RowWork& a);

// At so many limbs, with digits of that many primes and so many special primes.
class OperationWork {
 public:
  OperationWork(std::size_t limbs, std::size_t digit_limbs, std::size_t special);

  RowWork decompose() const;         // the digits of one polynomial
  RowWork key_product() const;       // digits times a switching key, both parts
  RowWork divide() const;            // one part by P (ModDown)
  RowWork divide_rescale() const;    // one part by P and the last prime at once
  RowWork rescale() const;           // both parts, by the last prime
  RowWork transform_factor() const;  // both parts of an undivided value times a plaintext

  double limbs() const { return limbs_; }
  double special() const { return special_; }
  double digits() const { return digits_; }

 private:
  double limbs_, special_, digits_, alpha_;
};

}  // namespace thex::circuit
