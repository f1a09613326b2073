// The least time that an operation can take on this machine: its counted work over measured rates (machine.h). A time
// near its bound leaves nothing to gain in the code; only a method with less work would.
//
// What is counted
// - butterflies of number-theoretic transforms: n/2 log2(n) for one limb. No method in use takes fewer products.
// - multiply-adds of residues: products added up without a reduction, in base conversions (one for each source prime,
//   target prime and coefficient) and in products of digits and switching keys (two for each digit and limb).
// - products of residues with a reduction: the factor that ends a division, plaintext products.
// - sums of residues.
// - real butterflies of the encoder's transform, h/2 log2(h) on complex doubles.
// - bytes that cannot stay in a second-level cache: switching keys and plaintexts (each read once), ciphertexts read
// and
//   written once. Rows in flight are not counted.
//
// What one of them costs at the least, in vector instructions of Machine::integer_rate (the comment in bound.cc says
// which): additions are free where another execution unit can do them, loads and stores always.
// Bytes and arithmetic can overlap, so that the bound is the larger of the two. With t threads the arithmetic is
// divided by t and the bytes by the transfer rate of t threads together. Rates are those of a buffer as large as the
// bytes: an operation that finds part of them in a nearer cache can beat a bound by bytes.
#pragma once

#include "thex/circuit/accounting.h"
#include "thex/circuit/cost_model.h"
#include "thex/circuit/operation_work.h"
#include "thex/ckks/context.h"
#include "thex/measure/machine.h"

namespace thex::measure {

struct Work {
  double butterflies = 0, multiply_adds = 0, products = 0, sums = 0, real_butterflies = 0;
  double bytes = 0;
};
Work operator+(const Work& a, const Work& b);
Work operator*(double factor, const Work& a);

double bound_seconds(const Work& work, Machine& machine, int threads);

// The work of operations on ciphertexts of `limbs` limbs in a ring with that many special primes and digits.
class WorkOf {
 public:
  WorkOf(const ckks::Context& context, std::size_t limbs);

  Work transform() const;                // one limb
  Work limbs_moved(double count) const;  // bytes of so many limbs
  Work encode() const;                   // all slots, complex
  Work decompose() const;                // the digits of one polynomial
  Work key_product() const;              // digits times key, both parts, with the key's bytes
  Work mod_down() const;                 // both parts divided by P
  Work rotate() const;
  Work rotate_hoisted() const;
  // ckks/linear_transform.h on one input: baby rotations that are not divided by P, `factors` products with plaintexts
  // (whose bytes are the caller's to add), giants - 1 giant steps that divide c_1 alone, one division by P q_level.
  Work linear_transform(double rotations, double giants, double factors) const;
  Work transform_product() const;  // one of these factors
  Work multiply_relinearize() const;
  Work rescale() const;
  Work multiply_plain() const;
  Work add() const;
  // What a circuit does at this level, with the bytes of its switching keys; ciphertexts and plaintexts are left out.
  Work level(const circuit::LevelWork& work) const;
  double limb_bytes() const { return 8 * n_; }

 private:
  Work of(const circuit::RowWork& rows) const;

  double n_, log_n_;
  circuit::OperationWork rows_;
};

// A whole circuit, with the bytes of its encoded weights, each read once.
Work circuit_work(const circuit::Program& program, const circuit::ProgramPlan& plan, const ckks::Context& context);

}  // namespace thex::measure
