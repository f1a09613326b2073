// The circuits of polynomials alone: input, feed-forward layers, refreshes and the order of all.
#include <utility>

#include "thex/encoder/polynomial/builder.h"
#include "thex/encoder/rows/assumed_ranges.h"

namespace thex::encoder {

using circuit::Components;
using circuit::Entries;
using circuit::LinearMap;
using circuit::SlotSource;

Blocks PolynomialBuilder::doubled_all(Blocks singles) {
  for (Value& value : singles) value = doubled(value);
  return singles;
}

Blocks PolynomialBuilder::taken_apart(std::span<const Value> pairs, std::size_t count) {
  Blocks values;
  for (const Value& pair : pairs) {
    if (values.size() + 1 == count) {
      values.push_back(pair);
    } else {
      const auto [first, second] = b_.twice_parts(pair);
      values.insert(values.end(), {first, second});
    }
  }
  return values;
}

// Embeddings and weights travel as pairs: [x, shifted x] and [1/n, shifted 1/n], or the groups of x and then 1/n, two
// by two, where nothing is copied.
PolynomialBuilder::State PolynomialBuilder::encrypted_input() {
  const auto token_of = [layout = layout_](std::size_t row, bool shifted) {
    return shifted ? layout.shifted_token(row) : layout.token(row);
  };
  const auto embeddings = [&](std::size_t group, bool shifted) {
    return sources([=, layout = layout_](RowLayout::Position at) {
      const std::size_t token = token_of(at.row, shifted), sentence = layout.sentence(at.row),
                        feature = group * layout.half + at.column;
      if (feature >= layout.hidden) return SlotSource{};
      return SlotSource{0, (sentence * layout.bucket + token) * layout.hidden + feature,
                        static_cast<std::int32_t>(token), static_cast<std::int32_t>(sentence)};
    });
  };
  const auto weights = [&](bool shifted) {
    return sources([=, layout = layout_](RowLayout::Position at) {
      return SlotSource{circuit::kInverseLengthSource, 0, static_cast<std::int32_t>(token_of(at.row, shifted)),
                        static_cast<std::int32_t>(layout.sentence(at.row))};
    });
  };
  std::vector<circuit::SlotSources> parts;
  for (std::size_t group = 0; group < layout_.groups; ++group) {
    parts.push_back(embeddings(group, false));
    if (layout_.copies > 1) parts.push_back(embeddings(group, true));
  }
  parts.push_back(weights(false));
  if (layout_.copies > 1) parts.push_back(weights(true));
  std::vector<circuit::SlotSources> all;
  for (std::size_t i = 0; i < parts.size(); i += 2)
    all.push_back(i + 1 < parts.size() ? pair_of(parts[i], parts[i + 1]) : parts[i]);
  const std::vector<Value> fresh = b_.client_step(step_label(Step::embeddings), {}, std::move(all),
                                                  layout_.sentences * layout_.bucket * layout_.hidden);
  const Blocks values = taken_apart(fresh, parts.size());
  State state;
  auto next = values.begin();
  for (std::size_t group = 0; group < layout_.groups; ++group) {
    state.x.push_back(*next++);
    if (layout_.copies > 1) state.shifted.push_back(*next++);
  }
  weight_of_keys_ = *next++;
  if (layout_.copies > 1) weight_shifted_ = *next;
  set_weight_sizes();
  return state;
}

bool PolynomialBuilder::refreshes_after(int layer) const {
  return segments_.layers > 0 && (layer + 1) % segments_.layers == 0;
}

Blocks PolynomialBuilder::refreshed(int layer, const Blocks& groups) {
  label(Step::refresh, layer);
  Blocks sent;
  for (std::size_t group = 0; group < groups.size(); group += 2)
    sent.push_back(group + 1 < groups.size() ? b_.pair(groups[group], groups[group + 1]) : groups[group]);
  const std::vector<Value> back = b_.client_step(step_label(Step::refresh, layer), {}, {}, 0, sent);
  return taken_apart(back, groups.size());
}

Blocks PolynomialBuilder::attention_output(int layer, std::span<const Value> x_and_context, const circuit::Rows& rows,
                                           bool is_sent) {
  label(Step::attention_output, layer);
  const model::LayerWeights* const known = known_weights(weights_.config(), layer);
  const Components residual = weights_.attention_residual(layer), constant = weights_.attention_constant(layer);
  const Entries dense = weights_.attention_output(layer);
  Blocks x1;
  for (std::size_t group = 0; group < layout_.groups; ++group) {
    const double times = is_sent ? sent_factor(group) : 1;
    const Affine map{
        LinearMap(b_,
                  scaled(joined(of_group(piece(residual, group), known ? known->attention_residual : kNormGain, group),
                                of_context(row_piece(dense, group), rows)),
                         times),
                  kBaby, negative_),
        row_vector(circuit::scaled(piece(constant, group), times), layout_.half)};
    x1.push_back(apply(map, x_and_context));
  }
  return x1;
}

// Three levels: the squares, their sum over a row, which is valid in its first column and then copied to the others,
// and the product.
Blocks PolynomialBuilder::normalised(int layer, const Blocks& x1) {
  if (!scales_by_mean_square()) return x1;
  label(Step::mean_square, layer);
  std::vector<std::pair<Value, Value>> squares;
  for (const Value& group : x1) squares.emplace_back(group, group);
  const int first = static_cast<int>(layout_.half / 2), width = static_cast<int>(layout_.width);
  const Value sum = circuit::rotate_and_sum(b_, b_.product_sum(squares), first, 1);
  circuit::Components factor;
  if (weights_.attention_constant(layer))
    factor = [mean = weights_.norm_slope(layer) / static_cast<double>(layout_.hidden)](std::size_t p) {
      return p == 0 ? mean : 0.0;
    };
  circuit::PlainVector mean = circuit::vector_of(layout_.width, factor);
  mean.magnitude = kAssumedSlope / static_cast<double>(layout_.hidden);
  Value one = b_.multiply_plain(sum, b_.plain(std::move(mean)));
  label(Step::normalised, layer);
  for (int step = 1; step < width; step *= 2) one = b_.add(one, b_.rotate(one, -step));
  const Value scale = b_.add_plain(one, mask(1, [](std::size_t) { return true; }));
  Blocks result;
  for (const Value& group : x1) result.push_back(b_.multiply(group, scale));
  return result;
}

PolynomialBuilder::State PolynomialBuilder::feed_forward(int layer, const State& state, const Blocks& context) {
  const std::size_t half = layout_.half;
  const bool merged = merges();
  Blocks inputs = state.x;
  for (const Value& value : context) inputs.push_back(doubled(value));
  State next;
  next.x1 = attention_output(layer, inputs, rows(), segments_.halves);
  if (!merged) {
    next.x1 = doubled_all(next.x1);
    next.x1_is_doubled = true;
    if (segments_.halves) next.x1 = refreshed(layer, next.x1);
    set_attention_sum(layer, next.x1);
    inputs = next.x1 = normalised(layer, next.x1);
  } else {
    set_attention_sum(layer, next.x1);
  }

  label(Step::intermediate, layer);
  const Entries of_input = merged ? weights_.intermediate_of_input(layer) : weights_.intermediate(layer),
                of_attention = merged ? weights_.intermediate_of_attention(layer) : nullptr;
  const Components constant = merged ? weights_.intermediate_constant(layer) : weights_.intermediate_bias(layer);
  const auto row_constant = [&](std::size_t m, double factor) -> Components {
    if (!constant) return nullptr;
    return [half, factor, one = piece(constant, m)](std::size_t p) { return p < half ? factor * one(p) : 0.0; };
  };
  const auto piece_maps = [&](std::size_t m) {
    Maps maps = of_features(row_piece(of_input, m));
    return merged ? joined(std::move(maps), of_context(row_piece(of_attention, m))) : maps;
  };
  const auto square = [&](Value v) { return b_.multiply(v, v); };
  // Two pieces at once, as a pair; the last one alone where their number is odd.
  for (std::size_t m = 0; m < layout_.ffn_pieces; m += 2) {
    label(Step::intermediate, layer);
    if (m + 1 == layout_.ffn_pieces) {
      const Affine map{LinearMap(b_, piece_maps(m), kBaby, negative_),
                       b_.plain(circuit::vector_of(layout_.width, row_constant(m, 1)))};
      const Value u = apply(map, inputs);
      set_size_of(layer, &model::LayerRanges::ffn, u);
      label(Step::square, layer);
      next.hidden.push_back(doubled(square(u)));
      continue;
    }
    const Affine map{
        LinearMap(b_, pairs_of(scaled(piece_maps(m), 0.5), scaled(piece_maps(m + 1), 0.5)), kBaby, negative_),
        b_.plain(circuit::complex_vector_of(layout_.width, row_constant(m, 0.5), row_constant(m + 1, 0.5)))};
    const auto [first, second] = b_.twice_parts(apply(map, inputs));
    for (const Value& u : {first, second}) set_size_of(layer, &model::LayerRanges::ffn, u);
    label(Step::square, layer);
    next.hidden.push_back(doubled(b_.pair(square(first), square(second))));
  }
  return next;
}

LinearMap PolynomialBuilder::feed_forward_map(const Entries& of_hidden, const Maps& of_x1) {
  const bool paired = layout_.ffn_pieces > 1;
  if (!paired) return {b_, joined({matrix(of_hidden)}, of_x1), kBabyManyInputs};
  // The first part of the result is taken, doubled.
  Maps maps;
  for (std::size_t m = 0; m < layout_.ffn_pieces; m += 2) {
    const circuit::Diagonals first = circuit::scaled(matrix(column_piece(of_hidden, m)), 0.5);
    maps.push_back(m + 1 == layout_.ffn_pieces
                       ? first
                       : circuit::pair_of(first, circuit::scaled(matrix(column_piece(of_hidden, m + 1)), -0.5)));
  }
  return {b_, joined(std::move(maps), scaled(of_x1, 0.5)), kBaby};
}

Value PolynomialBuilder::feed_forward_output(const LinearMap& map, const State& state, bool double_x1) {
  Blocks inputs = state.hidden;
  const Blocks x1 = double_x1 && !state.x1_is_doubled ? doubled_all(state.x1) : state.x1;
  inputs.insert(inputs.end(), x1.begin(), x1.end());
  const Value output = map.apply(b_, inputs);
  return layout_.ffn_pieces > 1 ? b_.twice_first(output) : output;
}

Blocks PolynomialBuilder::layer_output(int layer, const State& state, bool is_sent) {
  label(Step::output, layer);
  const model::LayerWeights* const known = known_weights(weights_.config(), layer);
  const Components residual = weights_.output_residual(layer), constant = weights_.output_constant(layer);
  const Entries dense = weights_.output(layer);
  Blocks x;
  for (std::size_t group = 0; group < layout_.groups; ++group) {
    const double times = is_sent ? sent_factor(group) : 1;
    const LinearMap map = feed_forward_map(
        circuit::scaled(row_piece(dense, group), times),
        scaled(of_group(piece(residual, group), known ? known->output_residual : kNormGain, group), times));
    x.push_back(doubled(b_.add_plain(feed_forward_output(map, state, false),
                                     row_vector(circuit::scaled(piece(constant, group), times), layout_.half))));
  }
  return x;
}

Value PolynomialBuilder::token_logits(const State& state) {
  label(Step::classifier);
  const LinearMap map = feed_forward_map(weights_.logits_of_intermediate(), of_features(weights_.logits_of_residual()));
  return b_.add_plain(feed_forward_output(map, state, true), row_vector(weights_.logits_constant(), layout_.labels));
}

circuit::Program PolynomialBuilder::build() && {
  State state = encrypted_input();
  const int last = weights_.config().layers - 1;
  for (int layer = 0; layer < last; ++layer) {
    set_input(layer, state);
    const Blocks context = attention(layer, state);
    State next = feed_forward(layer, state, context);
    const bool refresh = refreshes_after(layer);
    next.x = layer_output(layer, next, refresh);
    if (refresh) next = {.x = refreshed(layer, next.x), .shifted = {}, .hidden = {}, .x1 = {}};
    state = std::move(next);
  }
  set_input(last, state);
  if (by_token(weights_.config().task)) {
    const Blocks context = attention(last, state);
    const Value logits = token_logits(feed_forward(last, state, context));
    return std::move(b_).finish(std::span(&logits, 1), token_logit_slots(), layout_.period());
  }
  const Blocks context = cls_attention(last, state);
  label(Step::cls_token);
  for (Value& group : state.x) group = first_token(group);
  // Every row computes the logits of its sentence: in a batch as tokens do, else with the others.
  const Value logits =
      layout_.sentences == 1 ? cls_logits(last, state.x, context) : token_logits(feed_forward(last, state, context));
  std::vector<SlotSource> outputs;
  for (std::size_t sentence = 0; sentence < layout_.sentences; ++sentence)
    for (std::size_t l = 0; l < layout_.labels; ++l)
      outputs.push_back({0, layout_.slot(sentence, 0, l), -1, static_cast<std::int32_t>(sentence)});
  return std::move(b_).finish(std::span(&logits, 1), std::move(outputs),
                              layout_.sentences == 1 ? layout_.label_period() : layout_.token_step());
}

}  // namespace thex::encoder
