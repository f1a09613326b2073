// Attention by matrices of scores, for tokens that fill the rows of one part of a ciphertext (the diagonal products of
// Jiang, Kim, Lauter and Song, "Secure Outsourced Matrix Computation and Application to Neural Networks", CCS 2018).
//
// A score stands in one column only: column g of row i holds S[i, g] = q_i k_(i-g) for g < G, the shifts of one matrix.
// G is also the number of feature columns: both turns are one pair, and all repeats in the second half of a row. With
// sheared keys, K[i, c] = k[i - c, c],
//   S[i, g] = sum over r < G of q[i, g + r] K[i + r, g + r]
// is a sum of products of rotated values: nothing is summed over columns, and one square is that of G scores. The next
// matrix, of the shifts from G on, takes the rows of K by G less. With values that are sheared likewise
//   C[i, c] = sum over r < G of P[i, c + r] V[i - r, c]
// for each matrix, where column c + r >= G of P is that of the next one.
//
// Rotations by r = a + A b columns are made in two steps, by a before the product and by A b after the sum over a. A
// factor of every product is zero outside of the columns that come to lie in the first half, so that the other half of
// the result is zero.
#include <bit>
#include <utility>

#include "thex/encoder/polynomial/builder.h"

namespace thex::encoder {

using circuit::Components;
using circuit::Entries;
using circuit::LinearMap;

namespace {

// A, at least the square root of G.
std::size_t inner_steps(std::size_t shifts) {
  std::size_t a = 1;
  while (a * a < shifts) a *= 2;
  return a;
}

}  // namespace

Blocks PolynomialBuilder::multiples(Value x, int steps, std::size_t count) {
  Blocks all{x};
  for (std::size_t k = 1; k < count; ++k) {
    const std::size_t highest = std::bit_floor(k);
    all.push_back(b_.rotate(all[k - highest], static_cast<int>(highest) * steps));
  }
  return all;
}

// Column c moved down by c rows: one level.
Value PolynomialBuilder::sheared(Value x) {
  constexpr int kBabyRows = 4;
  const std::size_t period = std::min(layout_.width / layout_.head_slots, layout_.tokens);
  const int row = static_cast<int>(layout_.token_step());
  // Up by period - c rows, and by the rows beyond the period.
  std::map<int, Components> masks;
  for (std::size_t down = 0; down < period; ++down) {
    const bool stays = down == 0 && period == layout_.tokens;
    masks.emplace(
        stays ? 0 : static_cast<int>(period - down) * row,
        [down, period, slots = layout_.head_slots](std::size_t p) { return p / slots % period == down ? 1.0 : 0.0; });
  }
  if (layout_.tokens > period) x = b_.rotate(x, row * static_cast<int>(layout_.tokens - period));
  return LinearMap(b_, {circuit::diagonals_of(layout_.width, std::move(masks))}, kBabyRows * row).apply(b_, x);
}

std::vector<circuit::PlainId> PolynomialBuilder::outer_windows() {
  std::vector<circuit::PlainId> windows;
  const std::size_t columns = inner_steps(layout_.shifts) * layout_.head_slots;
  for (std::size_t first = 0; first < layout_.scored; first += columns)
    windows.push_back(mask(layout_.width,
                           [first, count = layout_.scored](std::size_t p) { return p >= first && p < first + count; }));
  return windows;
}

Value PolynomialBuilder::outer_sum(const std::function<Products(std::size_t b)>& terms) {
  const std::size_t inner = inner_steps(layout_.shifts), outer = layout_.shifts / inner;
  Value sum = b_.product_sum(terms(outer - 1));
  for (std::size_t b = outer - 1; b-- > 0;) {
    const Value part = b_.product_sum(terms(b));
    sum = b_.add(b_.rotate(sum, static_cast<int>(inner * layout_.head_slots)), part);
  }
  return sum;
}

// The scores of a query and a sheared key, pairs of turns; the second half of a row is zero. Matrix m is computed m + 1
// times G rows further up, so that the same moved keys serve all.
Blocks PolynomialBuilder::score_matrices(int layer, Value query, Value key) {
  const std::size_t shifts = layout_.shifts, inner = inner_steps(shifts), outer = shifts / inner;
  const std::size_t matrices = layout_.tokens / shifts;
  const int column = static_cast<int>(layout_.head_slots), row = static_cast<int>(layout_.token_step());
  const int matrix_rows = static_cast<int>(shifts) * row;
  label(Step::key, layer);
  if (matrices > 1) key = b_.rotate(key, matrix_rows);
  Blocks diagonal{key};      // by a columns and a rows
  std::vector<Blocks> keys;  // and by A b rows
  for (std::size_t a = 0; a < inner; ++a) {
    if (a > 0) {
      const int highest = static_cast<int>(std::bit_floor(a));
      const Value from = diagonal[a - static_cast<std::size_t>(highest)];
      diagonal.push_back(b_.rotate(b_.rotate(from, highest * column), highest * row));
    }
    keys.push_back(multiples(diagonal[a], static_cast<int>(inner) * row, outer));
  }
  label(Step::query, layer);
  const Blocks queries = multiples(query, matrix_rows, matrices);
  const std::vector<circuit::PlainId> windows = outer_windows();
  Blocks scores;
  for (std::size_t m = 0; m < matrices; ++m) {
    label(Step::query, layer);
    const Blocks turned = multiples(queries[(m + 1) % matrices], column, inner);
    scores.push_back(b_.twice_first(outer_sum([&](std::size_t b) {
      Products terms;
      label(Step::query, layer);
      for (std::size_t a = 0; a < inner; ++a) terms.emplace_back(b_.multiply_plain(turned[a], windows[b]), keys[a][b]);
      label(Step::scores, layer);
      return terms;
    })));
  }
  return scores;
}

// The sum over all shifts of powers, where the scores are, times sheared values: a pair of turns; the second half of a
// row is zero.
Value PolynomialBuilder::matrix_context(int layer, const Blocks& powers, Value value) {
  const std::size_t shifts = layout_.shifts, inner = inner_steps(shifts), outer = shifts / inner;
  const std::size_t matrices = powers.size();
  const int column = static_cast<int>(layout_.head_slots), row = static_cast<int>(layout_.token_step());
  const int outer_columns = static_cast<int>(inner) * column, outer_rows = static_cast<int>(inner) * row;
  const int matrix_rows = static_cast<int>(shifts) * row;
  // The values of shift a + A b are G - a - A b rows further down: up by one, A (B - 1 - b) and A - 1 - a.
  const Blocks raised = multiples(b_.rotate(value, row), outer_rows, outer);
  const std::vector<circuit::PlainId> windows = outer_windows();
  std::vector<Blocks> values;  // by b, then a; zero outside of their window
  for (std::size_t b = 0; b < outer; ++b) {
    Value back = raised[outer - 1 - b];
    for (std::size_t k = 0; k < b; ++k) back = b_.rotate(back, -outer_columns);
    Blocks moved = multiples(b_.multiply_plain(back, windows[b]), row, inner);
    values.emplace_back(moved.rbegin(), moved.rend());
  }
  Value total;
  for (std::size_t m = 0; m < matrices; ++m) {
    label(Step::power, layer);
    // The next matrix, in the second half of a row, is G rows further up.
    Value next = b_.rotate(powers[(m + 1) % matrices], -static_cast<int>(layout_.scored));
    for (std::size_t bit = 1; bit < matrices; bit *= 2) next = b_.rotate(next, static_cast<int>(bit) * matrix_rows);
    const Blocks turned = multiples(b_.add(powers[m], next), column, inner);
    label(Step::value_sum, layer);
    const Value sum = outer_sum([&](std::size_t b) {
      Products terms;
      for (std::size_t a = 0; a < inner; ++a) terms.emplace_back(turned[a], values[b][a]);
      return terms;
    });
    total = m == 0 ? sum : b_.add(b_.rotate(total, matrix_rows), sum);
  }
  return total;
}

Value PolynomialBuilder::sheared_attention(int layer, std::size_t group, const Blocks& x) {
  const std::size_t half = layout_.half, scored = layout_.scored;
  const auto map = [&](const Entries& m, const Components& bias, double first, double second) {
    return affine_pair(of_heads(group, m, bias, {0, half, scored}, first),
                       of_heads(group, m, bias, {scored, half, scored}, second));
  };
  // Twice the real part of q times the conjugate of k is taken.
  label(Step::query, layer);
  const Value query = apply(map(weights_.query(layer), weights_.query_bias(layer), 0.5, 0.5), x);
  label(Step::key, layer);
  const Value key = sheared(apply(map(weights_.key(layer), weights_.key_bias(layer), 1, -1), x));
  label(Step::value, layer);
  // Padding has weight zero, as in keys_and_values().
  const Value values = apply(map(weights_.value(layer), weights_.value_bias(layer), 1, 1), x);
  label(Step::weighted_value, layer);
  const Value weighted = b_.multiply(values, weight_of_keys_);
  label(Step::value, layer);
  const Value value = sheared(weighted);
  Blocks powers;
  for (const Value score : score_matrices(layer, query, key)) powers.push_back(power(layer, score));
  label(Step::value_sum, layer);
  return context_of(matrix_context(layer, powers, value));
}

}  // namespace thex::encoder
