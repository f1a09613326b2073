// Matrices of the model as blocks: from one group of columns to another.
#include <utility>

#include "thex/encoder/polynomial/builder.h"
#include "thex/encoder/rows/assumed_ranges.h"

namespace thex::encoder {

using circuit::Components;
using circuit::Diagonals;
using circuit::Entries;
using circuit::LinearMap;

Value PolynomialBuilder::apply(const Affine& affine, std::span<const Value> inputs) {
  return b_.add_plain(affine.map.apply(b_, inputs), affine.constant);
}

PolynomialBuilder::Maps PolynomialBuilder::of_features(const Entries& m, const circuit::Rows& rows,
                                                       std::size_t outputs) const {
  Maps maps;
  for (std::size_t group = 0; group < layout_.groups; ++group)
    maps.push_back(circuit::dense(layout_.half, column_piece(m, group), rows, outputs));
  return maps;
}

PolynomialBuilder::Maps PolynomialBuilder::of_context(const Entries& m, const circuit::Rows& rows) const {
  Maps maps;
  for (std::size_t group = 0; group < layout_.head_groups; ++group)
    maps.push_back(circuit::dense(layout_.half, interleaved_columns(group, m), rows));
  return scaled(std::move(maps), 1.0 / static_cast<double>(layout_.turns));
}

PolynomialBuilder::Maps PolynomialBuilder::of_group(const Components& factors, double magnitude,
                                                    std::size_t group) const {
  Maps maps(layout_.groups);
  maps[group] = circuit::diagonals_of(layout_.width, {{0, factors}}, magnitude);
  return maps;
}

PolynomialBuilder::Maps PolynomialBuilder::scaled(Maps maps, double factor) {
  for (Diagonals& map : maps) map = circuit::scaled(std::move(map), factor);
  return maps;
}

PolynomialBuilder::Maps PolynomialBuilder::pairs_of(const Maps& a, const Maps& b) {
  Maps maps;
  for (std::size_t i = 0; i < a.size(); ++i) maps.push_back(circuit::pair_of(a[i], b[i]));
  return maps;
}

PolynomialBuilder::Maps PolynomialBuilder::joined(Maps a, const Maps& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Entries PolynomialBuilder::interleaved_rows(std::size_t group, const Entries& m) const {
  if (!m) return nullptr;
  return [m, group, layout = layout_](std::size_t r, std::size_t c) {
    return layout.is_feature(group, r) ? m(layout.feature(group, r), c) : 0.0;
  };
}

Components PolynomialBuilder::interleaved(std::size_t group, const Components& v) const {
  if (!v) return nullptr;
  return [v, group, layout = layout_](std::size_t p) {
    return p < layout.half && layout.is_feature(group, p) ? v(layout.feature(group, p)) : 0.0;
  };
}

Entries PolynomialBuilder::interleaved_columns(std::size_t group, const Entries& m) const {
  if (!m) return nullptr;
  return [m, group, layout = layout_](std::size_t r, std::size_t c) {
    return layout.is_feature(group, c) ? m(r, layout.feature(group, c)) : 0.0;
  };
}

PolynomialBuilder::OfHeads PolynomialBuilder::of_heads(std::size_t group, const Entries& m, const Components& bias,
                                                       Window window, double factor) const {
  const auto place = [window, half = layout_.half](std::size_t row) {
    return (window.first + row % window.period) % half;
  };
  Entries entries = interleaved_rows(group, m);
  if (entries)
    entries = [=, all = std::move(entries)](std::size_t r, std::size_t c) {
      return r < window.outputs ? all(place(r), c) : 0.0;
    };
  Components constant = circuit::scaled(interleaved(group, bias), factor);
  if (constant)
    constant = [=, all = std::move(constant)](std::size_t p) { return p < window.outputs ? all(place(p)) : 0.0; };
  return {scaled(of_features(entries, rows(), window.outputs), factor), constant};
}

PolynomialBuilder::Affine PolynomialBuilder::affine(const OfHeads& of) {
  return {LinearMap(b_, of.maps, kBaby, negative_), b_.plain(circuit::vector_of(layout_.width, of.constant))};
}

PolynomialBuilder::Affine PolynomialBuilder::affine_pair(const OfHeads& first, const OfHeads& second) {
  return {LinearMap(b_, pairs_of(first.maps, second.maps), kBaby, negative_),
          b_.plain(circuit::complex_vector_of(layout_.width, first.constant, second.constant))};
}

}  // namespace thex::encoder
