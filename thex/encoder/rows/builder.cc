#include "thex/encoder/rows/builder.h"

#include <string>

#include "thex/encoder/rows/assumed_ranges.h"

namespace thex::encoder {

using circuit::Components;
using circuit::Entries;
using circuit::LinearMap;
using circuit::PlainId;
using circuit::SlotSource;

circuit::StepLabel RowBuilder::step_label(Step step, int layer) const {
  const std::string prefix = layer < 0 ? std::string() : "layer" + std::to_string(layer) + ".";
  return {prefix + name_of(step), magnitudes_of(weights_.config(), step, layer, static_cast<double>(rows_.bucket))};
}

PlainId RowBuilder::row_vector(const Components& f, std::size_t size) {
  if (!f) return b_.plain({rows_.width, nullptr});
  return b_.plain(circuit::vector_of(rows_.width, [f, size](std::size_t p) { return p < size ? f(p) : 0.0; }));
}

PlainId RowBuilder::mask(std::size_t period, const std::function<bool(std::size_t)>& inside, double value) {
  return b_.plain(circuit::vector_of(period, [inside, value](std::size_t p) { return inside(p) ? value : 0.0; }));
}

circuit::PlainSet RowBuilder::mask_set(std::size_t count, std::size_t period,
                                       std::function<bool(std::size_t k, std::size_t p)> inside) {
  return {.count = count, .period = period, .fill = [inside = std::move(inside)](std::size_t k, std::span<double> out) {
            for (std::size_t p = 0; p < out.size(); ++p) out[p] = inside(k, p) ? 1.0 : 0.0;
          }};
}

circuit::SlotSources RowBuilder::sources(std::function<SlotSource(RowLayout::Position)> f) const {
  return {rows_.slots, [rows = rows_, f = std::move(f)](std::size_t slot) { return f(rows.position(slot)); }};
}

Value RowBuilder::next_half(Value single) { return b_.rotate(single, -static_cast<int>(rows_.half)); }
Value RowBuilder::doubled(Value single) { return rows_.parts == 1 ? single : b_.add(single, next_half(single)); }

Value RowBuilder::project(int layer, Step step, Value x, const Entries& m, const Components& bias) {
  label(step, layer);
  const LinearMap map(b_, circuit::list_of(matrix(m)), kBaby);
  return b_.add_plain(map.apply(b_, x), row_vector(bias, rows_.hidden));
}

Value RowBuilder::first_token(Value x) {
  const Value only =
      b_.multiply_plain(x, mask(rows_.period(), [step = rows_.token_step()](std::size_t p) { return p < step; }));
  return every_token(only);
}

Value RowBuilder::every_token(Value x) {
  return circuit::rotate_and_sum(b_, x, static_cast<int>(rows_.period() / 2), static_cast<int>(rows_.token_step()));
}

Entries RowBuilder::row_piece(const Entries& w, std::size_t m) const {
  if (!w) return nullptr;
  return [w, offset = m * rows_.half](std::size_t r, std::size_t c) { return w(r + offset, c); };
}

Entries RowBuilder::column_piece(const Entries& w, std::size_t m) const {
  if (!w) return nullptr;
  return [w, offset = m * rows_.half](std::size_t r, std::size_t c) { return w(r, c + offset); };
}

Components RowBuilder::piece(const Components& v, std::size_t m) const {
  if (!v) return nullptr;
  return [v, offset = m * rows_.half](std::size_t p) { return v(p + offset); };
}

std::vector<SlotSource> RowBuilder::token_logit_slots() const {
  std::vector<SlotSource> outputs;
  for (std::size_t sentence = 0; sentence < rows_.sentences; ++sentence)
    for (std::size_t token = 0; token < rows_.bucket; ++token)
      for (std::size_t l = 0; l < rows_.labels; ++l)
        outputs.push_back({static_cast<std::int32_t>(token / rows_.tokens),
                           rows_.slot(token % rows_.tokens * rows_.sentences + sentence, 0, l),
                           static_cast<std::int32_t>(token), static_cast<std::int32_t>(sentence)});
  return outputs;
}

}  // namespace thex::encoder
