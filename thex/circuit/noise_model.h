// The error that a planned program leaves in its values, predicted without encrypting anything.
//
// Each node's error is what its inputs bring, carried through the operation (a product by x multiplies a deviation by
// |x|, a sum of independent errors adds variances), plus what the operation itself adds (operation_noise.h), lowering
// of inputs to the node's level included. Variances are of the real part of a slot in the value's own units.
//
// Here the first part is carried on average, from magnitudes alone; errors of different nodes count as independent,
// except that of a value used twice by one operation (x * x, x + x), and a client's copies of a slot as different
// slots. Over many operations that compounds to bits; where gains of errors were measured between some values
// (ErrorGain) they count in its place, and only what was added since the last of these values is carried so. Where
// data is at hand, simulate_noise (run/clear.h) carries drawn errors through the real values instead; what an operation
// adds is the same.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thex/circuit/operation_noise.h"
#include "thex/circuit/plan.h"
#include "thex/circuit/program.h"

namespace thex::circuit {

struct NoiseEstimate {
  std::vector<double> magnitude;  // per node: root mean square of its slots
  std::vector<double> deviation;  // per node: root mean square over its slots of the error's standard deviation
  std::vector<double> result;     // per result slot: standard deviation of its error

  // -log2 of the standard deviation: of a node, and of the worst result slot (minus infinity where an error is not
  // finite).
  double bits(NodeId id) const;
  double result_bits() const;
};

// What the bits of a Gaussian error of that deviation are on average, and expected of the worst of `slots` slots
// (ckks/precision.h measures them).
double expected_mean_bits(double deviation);
double expected_min_bits(double deviation, std::size_t slots);

// The mean square of every node's slots, from the assumed magnitudes (Node::assumed) and the plain vectors' values.
std::vector<double> mean_squares(const Program& program);

// Every node's magnitude follows from the assumed ones (Node::assumed), slot positions are ignored. Far from the truth
// where cancellation keeps values small, as in Chebyshev polynomials.
NoiseEstimate estimate_noise(const Program& program, const ProgramPlan& plan, const OperationNoise& noise);

// The variance that computing a node adds to a slot, inputs without error. Looks at the plain vectors of a transform
// once. Not for several threads.
class AddedVariance {
 public:
  // Program and plan must outlive it.
  AddedVariance(const Program& program, const ProgramPlan& plan, const OperationNoise& noise);
  ~AddedVariance();

  // `mean_squares`: of its inputs' slots.
  double of(NodeId id, std::span<const double> mean_squares) const;

 private:
  struct Impl;
  const std::unique_ptr<const Impl> impl_;
};

// The step at which precision is lost: the last node on the way back from the result, along the least precise inputs
// (through client steps too), that still has fewer bits than wanted.
NodeId where_precision_falls(const Program& program, const NoiseEstimate& estimate, double wanted_bits);

}  // namespace thex::circuit
