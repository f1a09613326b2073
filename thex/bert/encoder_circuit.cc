#include "thex/bert/encoder_circuit.h"

#include <string>

#include "thex/bert/encoder_builder.h"

namespace thex::bert {

using circuit::Diagonals;
using circuit::LinearMap;
using circuit::SlotSource;

namespace {

// Baby steps of a 128-wide matrix: few distinct rotations, shared by every matrix of the model.
constexpr int kBaby = 16;
// With several inputs each baby step is paid for every input, a giant step once.
constexpr int kBabyManyInputs = 8;

}  // namespace

void EncoderBuilder::label(int layer, const char* step) { b_.set_label("layer" + std::to_string(layer) + "." + step); }

circuit::PlainId EncoderBuilder::row_vector(const circuit::Components& f, std::size_t size) {
  if (!f) return b_.plain({layout_.width, nullptr});
  return b_.plain(circuit::vector_of(layout_.width, [f, size](std::size_t p) { return p < size ? f(p) : 0.0; }));
}

circuit::PlainId EncoderBuilder::mask(std::size_t period, const std::function<bool(std::size_t)>& inside,
                                      double value) {
  return b_.plain(circuit::vector_of(period, [inside, value](std::size_t p) { return inside(p) ? value : 0.0; }));
}

std::vector<SlotSource> EncoderBuilder::sources(const std::function<SlotSource(EncoderLayout::Position)>& f) const {
  std::vector<SlotSource> all(layout_.slots);
  for (std::size_t s = 0; s < all.size(); ++s) all[s] = f(layout_.position(s));
  return all;
}

Value EncoderBuilder::next_half(Value single) { return b_.rotate(single, -static_cast<int>(layout_.half)); }
Value EncoderBuilder::doubled(Value single) { return b_.add(single, next_half(single)); }

Value EncoderBuilder::project(int layer, const char* name, Value x, const circuit::Entries& m,
                              const circuit::Components& bias) {
  label(layer, name);
  const LinearMap map(b_, {circuit::dense(layout_.half, m)}, kBaby);
  return b_.add_plain(map.apply(b_, x), row_vector(bias, layout_.hidden));
}

Blocks EncoderBuilder::embeddings() {
  std::vector<std::vector<SlotSource>> all;
  for (std::size_t block = 0; block < layout_.blocks; ++block)
    all.push_back(sources([&](EncoderLayout::Position at) {
      const std::size_t token = block * layout_.tokens + at.row % layout_.tokens;
      if (at.column >= layout_.hidden) return SlotSource{};
      return SlotSource{0, static_cast<std::int32_t>(token * layout_.hidden + at.column),
                        static_cast<std::int32_t>(token)};
    }));
  return b_.client_step("embeddings", {}, std::move(all), layout_.bucket * layout_.hidden);
}

Blocks EncoderBuilder::full_layer(int layer, const Blocks& x) {
  const Blocks heads = attention(layer, x);
  const std::size_t pieces = layout_.ffn_blocks;

  label(layer, "attention_output");
  const Diagonals residual{.period = layout_.width, .at = {{0, weights_.attention_residual(layer)}}};
  const LinearMap attention_output(b_, {circuit::dense(layout_.half, weights_.attention_output(layer)), residual},
                                   kBaby);
  const circuit::PlainId attention_constant = row_vector(weights_.attention_constant(layer), layout_.hidden);
  std::vector<LinearMap> intermediate;
  std::vector<circuit::PlainId> intermediate_bias;
  for (std::size_t m = 0; m < pieces; ++m) {
    const std::size_t offset = m * layout_.half, half = layout_.half;
    circuit::Entries w = weights_.intermediate(layer);
    circuit::Components bias = weights_.intermediate_bias(layer);
    if (w) w = [w, offset](std::size_t r, std::size_t c) { return w(r + offset, c); };
    if (bias) bias = [bias, offset](std::size_t p) { return bias(p + offset); };
    intermediate.emplace_back(b_, std::vector<Diagonals>{circuit::dense(half, w)}, kBaby);
    intermediate_bias.push_back(row_vector(bias, half));
  }

  Blocks x1, sent;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    label(layer, "attention_output");
    const Value inputs[] = {doubled(heads[block]), x[block]};
    x1.push_back(doubled(b_.add_plain(attention_output.apply(b_, inputs), attention_constant)));
    label(layer, "intermediate");
    std::vector<Value> hidden;
    for (std::size_t m = 0; m < pieces; ++m)
      hidden.push_back(b_.add_plain(intermediate[m].apply(b_, x1.back()), intermediate_bias[m]));
    // Two pieces travel to the client in one ciphertext.
    for (std::size_t m = 0; m < pieces; m += 2)
      sent.push_back(m + 1 < pieces ? b_.add(hidden[m], next_half(hidden[m + 1])) : hidden[m]);
  }

  const std::size_t per_block = (pieces + 1) / 2;
  std::vector<std::vector<SlotSource>> back;
  for (std::size_t block = 0; block < layout_.blocks; ++block)
    for (std::size_t m = 0; m < pieces; ++m)
      back.push_back(sources([&](EncoderLayout::Position at) {
        const std::size_t token = block * layout_.tokens + at.row % layout_.tokens;
        return SlotSource{static_cast<std::int32_t>(block * per_block + m / 2),
                          static_cast<std::int32_t>(layout_.slot(at.row, m % 2, at.column)),
                          static_cast<std::int32_t>(token)};
      }));
  // The residual has no ReLU on its way: it travels along under a mask to get new levels.
  const Blocks returned = b_.client_step("layer" + std::to_string(layer) + ".intermediate", sent, std::move(back),
                                         layout_.bucket * layout_.ffn, x1);
  const auto residual_start = returned.end() - static_cast<std::ptrdiff_t>(x1.size());
  const Blocks activated(returned.begin(), residual_start);
  x1.assign(residual_start, returned.end());

  label(layer, "output");
  std::vector<Diagonals> maps;
  for (std::size_t m = 0; m < pieces; ++m) {
    circuit::Entries w = weights_.output(layer);
    const std::size_t offset = m * layout_.half;
    if (w) w = [w, offset](std::size_t r, std::size_t c) { return w(r, c + offset); };
    maps.push_back(circuit::dense(layout_.half, w));
  }
  maps.push_back({.period = layout_.width, .at = {{0, weights_.output_residual(layer)}}});
  const LinearMap output(b_, std::move(maps), kBabyManyInputs);
  const circuit::PlainId constant = row_vector(weights_.output_constant(layer), layout_.hidden);
  Blocks next;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    std::vector<Value> inputs(activated.begin() + static_cast<std::ptrdiff_t>(block * pieces),
                              activated.begin() + static_cast<std::ptrdiff_t>((block + 1) * pieces));
    inputs.push_back(x1[block]);
    next.push_back(doubled(b_.add_plain(output.apply(b_, inputs), constant)));
  }
  return next;
}

// The last layer: only the classifier's token is needed, so all rows hold its values and rows share the work.
Value EncoderBuilder::cls_layer(int layer, const Blocks& x) {
  const Value x_cls = cls_token(x);
  const Value heads = cls_attention(layer, x, x_cls);
  const std::size_t pieces = layout_.ffn_blocks, half = layout_.half, width = layout_.width;

  label(layer, "attention_output");
  const Diagonals residual{.period = width, .at = {{0, weights_.attention_residual(layer)}}};
  const LinearMap attention_output(b_, {circuit::dense(half, weights_.attention_output(layer)), residual}, kBaby);
  const Value inputs[] = {doubled(heads), x_cls};
  const Value x1 = doubled(
      b_.add_plain(attention_output.apply(b_, inputs), row_vector(weights_.attention_constant(layer), layout_.hidden)));

  // Row t computes piece t mod `pieces` of the feed-forward layer.
  label(layer, "intermediate");
  const LinearMap intermediate(b_, {circuit::dense(half, weights_.intermediate(layer), pieces)}, kBaby);
  circuit::Components bias = weights_.intermediate_bias(layer);
  if (bias)
    bias = [bias, half, width](std::size_t p) { return p % width < half ? bias(p / width * half + p % width) : 0.0; };
  const Value hidden = b_.add_plain(intermediate.apply(b_, x1), b_.plain(circuit::vector_of(width * pieces, bias)));
  const std::vector<Value> returned =
      b_.client_step("layer" + std::to_string(layer) + ".intermediate", std::span(&hidden, 1),
                     {sources([&](EncoderLayout::Position at) {
                       return SlotSource{0, static_cast<std::int32_t>(layout_.slot(at.row, 0, at.column)), -1};
                     })},
                     layout_.ffn, std::span(&x1, 1));

  // Label l: rows of group l/2, half l mod 2. One product each for the feed-forward values and for the residual, then
  // sums over the columns of a half and over the rows of a group.
  b_.set_label("classifier");
  const std::size_t slots = layout_.slots, group_width = width * pieces;
  const auto label_at = [half, width, group_width](std::size_t p) { return p / group_width * 2 + p % width / half; };
  circuit::Components of_hidden, of_x1, constant;
  if (const circuit::Entries c = weights_.logits_of_intermediate())
    of_hidden = [=](std::size_t p) { return c(label_at(p), p % group_width / width * half + p % half); };
  if (const circuit::Entries d = weights_.logits_of_residual())
    of_x1 = [=](std::size_t p) { return p % group_width < width ? d(label_at(p), p % half) : 0.0; };
  if (const circuit::Components e = weights_.logits_constant())
    constant = [=](std::size_t p) { return p % group_width < width && p % half == 0 ? e(label_at(p)) : 0.0; };
  const Value terms[] = {returned[0], returned[1]};  // the residual with new levels
  const circuit::PlainId factors[] = {b_.plain(circuit::vector_of(slots, of_hidden)),
                                      b_.plain(circuit::vector_of(slots, of_x1))};
  Value logits = b_.weighted_sum(terms, factors);
  logits = circuit::rotate_and_sum(b_, logits, static_cast<int>(half / 2), 1);
  if (pieces > 1)
    logits = circuit::rotate_and_sum(b_, logits, static_cast<int>(group_width / 2), static_cast<int>(width));
  // Everything but the logits is cleared: the client learns no partial sum.
  const std::size_t labels = layout_.labels;
  const circuit::PlainId only_logits =
      mask(slots, [=](std::size_t p) { return p % group_width < width && p % half == 0 && label_at(p) < labels; });
  return b_.add_plain(b_.multiply_plain(logits, only_logits), b_.plain(circuit::vector_of(slots, constant)));
}

circuit::Program EncoderBuilder::build() && {
  Blocks x = embeddings();
  const int last = weights_.config().layers - 1;
  for (int layer = 0; layer < last; ++layer) x = full_layer(layer, x);
  const Value result = cls_layer(last, x);
  std::vector<std::int32_t> result_slots;
  for (std::size_t l = 0; l < layout_.labels; ++l)
    result_slots.push_back(static_cast<std::int32_t>(layout_.slot(l / 2 * layout_.ffn_blocks, l % 2, 0)));
  return std::move(b_).finish(result, std::move(result_slots));
}

}  // namespace thex::bert
