// Linear maps on packed rows, by the diagonal method with baby steps and giant steps (Halevi-Shoup 2018).
//
// A map acts within every period of the slots alike: y[p] = sum_delta diagonal_delta[p] * x[p + delta]. A dense matrix
// on rows that hold their vector twice, [x|x], has one diagonal for each column and no wrap-around masks; see dense().
// Giant steps are taken by Horner's rule, so that they need one rotation key.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <vector>

#include "thex/circuit/program.h"

namespace thex::circuit {

// Entry (row, column) of a matrix; empty when the program is built without weights.
using Entries = std::function<double(std::size_t row, std::size_t column)>;
// Entry p of a vector; empty likewise.
using Components = std::function<double(std::size_t p)>;

// A plain vector of that period whose component p is f(p).
PlainVector vector_of(std::size_t period, Components f);

struct Diagonals {
  std::size_t period = 1;
  std::map<int, Components> at;  // delta -> diagonal; delta may be negative
  double magnitude = 0;          // PlainVector::magnitude of every diagonal
};

// The size x size matrix on rows of 2 * size slots holding [x|x]; the result is [M x | 0]. With `parts` = 1, on rows
// [x] that are all alike. With `stacked` > 1, row t of the packing uses matrix number t mod stacked: entries(row + (t
// mod stacked) * size, column).
Diagonals dense(std::size_t size, const Entries& entries, std::size_t stacked = 1, std::size_t parts = 2);

// The outputs x size matrix on rows that hold one or two vectors, [x0] or [x0|x1]: the result is [M x_part | 0], with
// size + outputs - 1 diagonals.
Diagonals dense_part(std::size_t size, std::size_t outputs, const Entries& entries, std::size_t part,
                     std::size_t parts);

class LinearMap {
 public:
  // One set of diagonals for each input; all share their giant steps. `baby`: number of baby steps, a power of two.
  LinearMap(Builder& builder, std::vector<Diagonals> maps, int baby);
  // sum_i maps[i] (inputs[i]): one level.
  // The nodes are marked as one operation.
  Value apply(Builder& builder, std::span<const Value> inputs) const;
  Value apply(Builder& builder, Value input) const { return apply(builder, std::span(&input, 1)); }

 private:
  int baby_;
  std::map<int, std::vector<FusedTransform::Term>> giants_;  // giant index -> its inner sum
};

// Several weighted sums of the same inputs and their rotations, as one operation: outputs[j] lists the terms. One
// level.
std::vector<Value> weighted_sums(Builder& builder, std::span<const Value> inputs,
                                 const std::vector<std::vector<FusedTransform::Term>>& outputs);

// x + rot(x, s) + ... over s = first, first/2, ..., last (powers of two): sums windows of 2*first/last strided slots.
Value rotate_and_sum(Builder& builder, Value x, int first, int last);

}  // namespace thex::circuit
