// Linear maps on packed rows, by the diagonal method with baby steps and giant steps (Halevi-Shoup 2018).
//
// A map acts within every period of the slots alike: y[p] = sum_delta diagonal_delta[p] * x[p + delta]. A dense matrix
// on rows that hold their vector twice, [x|x], has one diagonal for each column and no wrap-around masks; see dense().
// Giant steps are taken by Horner's rule, so that they need one rotation key.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "thex/circuit/program.h"

namespace thex::circuit {

// Entry (row, column) of a matrix; empty when the program is built without weights.
using Entries = std::function<double(std::size_t row, std::size_t column)>;
// Entry p of a vector; empty likewise.
using Components = std::function<double(std::size_t p)>;

// A plain vector of that period whose component p is f(p), or f(p) + i g(p); without weights when both are empty.
PlainVector vector_of(std::size_t period, Components f);
PlainVector complex_vector_of(std::size_t period, Components f, Components g);

// The same times a factor; empty when they are.
Entries scaled(const Entries& entries, double factor);
Components scaled(const Components& components, double factor);

struct Diagonals {
  // Writes the diagonal of an offset: one period, of pairs the real parts and then the imaginary ones.
  using Fill = std::function<void(int delta, std::span<double>)>;

  std::size_t period = 1;
  std::vector<int> deltas;  // ascending; they may be negative
  Fill fill = nullptr;      // empty when the program is built without weights
  bool complex = false;     // of two maps in one, see pair_of
  double magnitude = 0;     // PlainSet::magnitude of every diagonal
  double gain = 1;          // and PlainSet::gain
};

// Some diagonals by their components.
Diagonals diagonals_of(std::size_t period, std::map<int, Components> at, double magnitude = 0);

// The map times a factor.
Diagonals scaled(Diagonals map, double factor);

// Maps in a list, without the copies that an initializer list would make.
template <typename... Maps>
std::vector<Diagonals> list_of(Maps&&... maps) {
  std::vector<Diagonals> all;
  all.reserve(sizeof...(maps));
  (all.push_back(std::forward<Maps>(maps)), ...);
  return all;
}

// Both maps of the same input at once: a + i b, whose result is a pair (Builder::pair). Of two inputs z = x + i y the
// first part of pair_of(a, -b) z is a x + b y.
Diagonals pair_of(const Diagonals& a, const Diagonals& b);

// The rows that a dense matrix is applied to.
struct Rows {
  // of_two: [x|x], for a result [M x | 0]. of_one: [x], for a result [M x], with almost twice as many diagonals, unless
  // they are all alike.
  enum class Kind { of_two, of_one, of_one_alike } kind = Kind::of_two;
  // Row t uses matrix number t mod stacked: entries(row + (t mod stacked) * size, column).
  std::size_t stacked = 1;
};

// The size x size matrix on these rows. `outputs`: it has no more rows than that.
Diagonals dense(std::size_t size, const Entries& entries, const Rows& rows = {}, std::size_t outputs = SIZE_MAX);

class LinearMap {
 public:
  // How diagonals below the main one are reached: by giant steps of their own, or from a turned copy of the input,
  // whose baby steps cost less where several maps share them.
  enum class Negative { giant_steps, turned_input };

  // One set of diagonals for each input; all share their giant steps. `baby`: number of baby steps, a power of two.
  LinearMap(Builder& builder, std::vector<Diagonals> maps, int baby, Negative negative = Negative::giant_steps);
  // sum_i maps[i] (inputs[i]): one level.
  Value apply(Builder& builder, std::span<const Value> inputs) const;
  Value apply(Builder& builder, Value input) const { return apply(builder, std::span(&input, 1)); }

 private:
  int turn_ = 0;                     // of copies of inputs, which come after all inputs
  std::vector<std::size_t> turned_;  // the inputs that they are copies of
  TransformId transform_ = kNoId;
};

// A rotated input of a weighted sum, times vector number `number` of a set.
struct WeightedTerm {
  std::size_t input = 0;
  int steps = 0;
  std::size_t number = 0;
};
// Several weighted sums of the same inputs and their rotations: outputs[j] lists the terms. One level.
std::vector<Value> weighted_sums(Builder& builder, std::span<const Value> inputs, const PlainSet& factors,
                                 const std::vector<std::vector<WeightedTerm>>& outputs);

// x + rot(x, s) + ... over s = first, first/2, ..., last (powers of two): sums windows of 2*first/last strided slots.
// `at_once`: how many of these steps one operation takes, of rotations that share their digits: fewer key switches for
// more rotation keys.
Value rotate_and_sum(Builder& builder, Value x, int first, int last, int at_once = 1);

}  // namespace thex::circuit
