// T, the network that estimates 1 / sum_j c_j: Linear(1,16)-ReLU-Linear(16,16)-ReLU-Linear(16,1), one for each query
// and head. The client computes both ReLUs, so each linear layer is one level from a fresh encryption.
#include <map>

#include "thex/encoder/the_x/builder.h"

namespace thex::encoder {

using circuit::SlotSource;
using circuit::SlotSources;

namespace {
constexpr std::size_t kUnits = model::kEstimationWidth;
constexpr int kUnitBaby = 4;
}  // namespace

// Sum of all coefficients of a query: rows [s, .. | ..] with the head's sum in its first `copies` columns of the first
// half.
Value EncoderBuilder::score_sum(const std::vector<Value>& coefficients) {
  Value sum = coefficients[0];
  for (std::size_t i = 1; i < coefficients.size(); ++i) sum = b_.add(sum, coefficients[i]);
  if (layout_.copies < layout_.head_dim)
    sum = circuit::rotate_and_sum(b_, sum, static_cast<int>(layout_.head_dim / 2), static_cast<int>(layout_.copies));
  return b_.add(sum, b_.rotate(sum, static_cast<int>(layout_.half)));
}

// `sums`: one per query block, as score_sum leaves them, or (all_rows_equal) one value with the sum in every column of
// its head. Returns T(sum) in every column of the head in the first half, zero in the second.
std::vector<Value> EncoderBuilder::reciprocals(int layer, const std::vector<Value>& sums, bool all_rows_equal) {
  const std::size_t d = layout_.head_dim, width = layout_.width, hidden = layout_.hidden;
  const std::size_t values = (all_rows_equal ? 1 : layout_.bucket) * layout_.heads * kUnits;
  const auto unit_column = [=](std::size_t p) { return p < hidden && p % d < kUnits; };
  const auto unit_bias = [&](const circuit::Components& bias) {
    if (!bias) return b_.plain({width, nullptr});
    return b_.plain(circuit::vector_of(width, [=](std::size_t p) { return unit_column(p) ? bias(p % d) : 0.0; }));
  };

  // Layer 0: column k of a head reads the sum from column k mod copies.
  label(Step::estimation_first, layer);
  const std::size_t copies = all_rows_equal ? kUnits : std::min(layout_.copies, kUnits);
  std::map<int, circuit::Components> first;
  for (std::size_t shift = 0; shift < kUnits; shift += copies) {
    circuit::Components f;
    if (const circuit::Entries w = weights_.estimation(layer, 0))
      f = [=](std::size_t p) { return unit_column(p) && p % d / copies * copies == shift ? w(p % d, 0) : 0.0; };
    first.emplace(-static_cast<int>(shift), f);
  }
  const circuit::LinearMap first_map(b_, {circuit::diagonals_of(width, std::move(first))}, kUnitBaby);
  const circuit::PlainId first_bias = unit_bias(weights_.estimation_bias(layer, 0));
  std::vector<Value> sent;
  for (Value s : sums) sent.push_back(b_.add_plain(first_map.apply(b_, s), first_bias));

  // Back: the units twice, so that a rotation by k < 16 is cyclic.
  const auto back = [&](bool everywhere) -> const std::vector<SlotSources>& {
    std::vector<SlotSources>& all = returned_units_[{everywhere, all_rows_equal}];  // the same in every layer
    for (std::size_t i = all.size(); i < sums.size(); ++i)
      all.push_back(sources([=, layout = layout_](RowLayout::Position at) {
        const std::size_t head = at.column / d, place = at.column % d;
        if (at.part == 1 || head >= layout.heads || (!everywhere && place >= 2 * kUnits)) return SlotSource{};
        const std::int32_t token =
            all_rows_equal ? -1 : static_cast<std::int32_t>(i * layout.tokens + at.row % layout.tokens);
        return SlotSource{static_cast<std::int32_t>(i), layout.slot(at.row, 0, head * d + place % kUnits), token};
      }));
    return all;
  };
  std::vector<Value> units = b_.client_step(step_label(Step::estimation_first, layer), sent, back(false), values);

  label(Step::estimation_second, layer);
  std::map<int, circuit::Components> second;
  for (std::size_t k = 0; k < kUnits; ++k) {
    circuit::Components f;
    if (const circuit::Entries w = weights_.estimation(layer, 2))
      f = [=](std::size_t p) { return unit_column(p) ? w(p % d, (p % d + k) % kUnits) : 0.0; };
    second.emplace(static_cast<int>(k), f);
  }
  const circuit::LinearMap second_map(b_, {circuit::diagonals_of(width, std::move(second))}, kUnitBaby);
  const circuit::PlainId second_bias = unit_bias(weights_.estimation_bias(layer, 2));
  sent.clear();
  for (Value v : units) sent.push_back(b_.add_plain(second_map.apply(b_, v), second_bias));
  // Back: the 16 units again and again over the head's columns; each column then reads its own group of 16.
  units = b_.client_step(step_label(Step::estimation_second, layer), sent, back(true), values);

  label(Step::estimation_third, layer);
  std::map<int, circuit::Components> third;
  for (int shift = -static_cast<int>(kUnits) + 1; shift < static_cast<int>(kUnits); ++shift) {
    circuit::Components f;
    if (const circuit::Entries w = weights_.estimation(layer, 4))
      f = [=](std::size_t p) {
        const int unit = static_cast<int>(p % kUnits) + shift;
        return p < hidden && unit >= 0 && unit < static_cast<int>(kUnits) ? w(0, static_cast<std::size_t>(unit)) : 0.0;
      };
    third.emplace(shift, f);
  }
  const circuit::LinearMap third_map(b_, {circuit::diagonals_of(width, std::move(third))}, 2 * kUnitBaby);
  circuit::Components bias = weights_.estimation_bias(layer, 4);
  if (bias) bias = [bias](std::size_t) { return bias(0); };
  const circuit::PlainId third_bias = row_vector(bias, hidden);
  std::vector<Value> result;
  for (Value v : units) result.push_back(b_.add_plain(third_map.apply(b_, v), third_bias));
  return result;
}

}  // namespace thex::encoder
