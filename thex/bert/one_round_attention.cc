// Attention of the protocol one-round: scores as powers, no masks.
#include "thex/bert/one_round_builder.h"

namespace thex::bert {

using circuit::Components;
using circuit::Diagonals;
using circuit::Entries;
using circuit::LinearMap;

Entries OneRoundBuilder::interleaved_rows(const Entries& m) const {
  if (!m) return nullptr;
  return [m, layout = layout_](std::size_t r, std::size_t c) {
    return layout.is_feature(r) ? m(layout.feature(r), c) : 0.0;
  };
}

Components OneRoundBuilder::interleaved(const Components& v) const {
  if (!v) return nullptr;
  return [v, layout = layout_](std::size_t p) {
    return p < layout.half && layout.is_feature(p) ? v(layout.feature(p)) : 0.0;
  };
}

Diagonals OneRoundBuilder::of_input(const State& state, const Entries& m, std::size_t outputs, std::size_t part) const {
  return state.shifted ? circuit::dense_half(layout_.half, m, part) : matrix(m, outputs);
}

OneRoundBuilder::OfHeads OneRoundBuilder::of_heads(const State& state, const Entries& m, const Components& bias,
                                                   Window window, std::size_t part, double factor) {
  const auto place = [window, half = layout_.half](std::size_t row) { return (window.first + row) % half; };
  Entries entries = interleaved_rows(m);
  if (entries)
    entries = [=, all = std::move(entries)](std::size_t r, std::size_t c) {
      return r < window.outputs ? all(place(r), c) : 0.0;
    };
  Components constant = circuit::scaled(interleaved(bias), factor);
  if (constant)
    constant = [=, all = std::move(constant)](std::size_t p) { return p < window.outputs ? all(place(p)) : 0.0; };
  return {circuit::scaled(of_input(state, entries, window.outputs, part), factor), constant};
}

OneRoundBuilder::Affine OneRoundBuilder::affine(const OfHeads& of) {
  return {LinearMap(b_, {of.matrix}, kBaby, negative_), b_.plain(circuit::vector_of(layout_.width, of.constant))};
}

OneRoundBuilder::Affine OneRoundBuilder::affine_pair(const OfHeads& first, const OfHeads& second) {
  return {LinearMap(b_, {circuit::pair_of(first.matrix, second.matrix)}, kBaby, negative_),
          b_.plain(circuit::complex_vector_of(layout_.width, first.constant, second.constant))};
}

std::vector<OneRoundBuilder::OfHeads> OneRoundBuilder::turned(const State& state, const Entries& m,
                                                              const Components& bias, std::size_t part, double factor) {
  std::vector<OfHeads> maps;
  for (std::size_t turn = 0; turn < layout_.turns; ++turn)
    maps.push_back(of_heads(state, m, bias, {turn * layout_.scored, layout_.half}, part, factor));
  return maps;
}

OneRoundBuilder::Turns OneRoundBuilder::rotated(Turns values, int steps) {
  for (Value& value : values) value = b_.rotate(value, steps);
  return values;
}

OneRoundBuilder::Affine OneRoundBuilder::value_map(const State& state, int layer, std::size_t part) {
  const auto window = [&](std::size_t turn) {
    return of_heads(state, weights_.value(layer), weights_.value_bias(layer), {turn * layout_.scored, layout_.scored},
                    part);
  };
  return layout_.turns == 1 ? affine(window(0)) : affine_pair(window(0), window(1));
}

Value OneRoundBuilder::context_of(Value sum) {
  if (layout_.turns == 1) return sum;
  const auto [first, second] = b_.twice_parts(sum);
  return b_.add(first, b_.rotate(second, -static_cast<int>(layout_.scored)));
}

Value OneRoundBuilder::score(const Turns& query, const Turns& key) {
  std::vector<std::pair<Value, Value>> terms;
  for (std::size_t turn = 0; turn < query.size(); ++turn) terms.emplace_back(query[turn], key[turn]);
  return circuit::rotate_and_sum(b_, b_.product_sum(terms), static_cast<int>(layout_.scored / 2),
                                 static_cast<int>(layout_.head_slots));
}

Value OneRoundBuilder::power(int layer, Value score) {
  label(layer, "power");
  const Value u = b_.add_plain(score, scored_);
  const Value square = b_.multiply(u, u);
  return b_.multiply(square, square);
}

Blocks OneRoundBuilder::attention(int layer, const State& state) {
  const std::size_t part = state.shifted ? 1 : 0, shifts = layout_.tokens / (state.shifted ? layout_.copies : 1);
  const int next_token = static_cast<int>(layout_.token_step());
  // Query t meets key t + s for every shift s = inner + outer: keys and values move by the inner part, queries back by
  // the outer one, and the sums of values forward again.
  std::size_t inner = 1;
  while (inner * inner < shifts) inner *= 2;
  // Two keys are compared as one pair, whose parts come back doubled: the query is halved.
  const bool pairs = inner * layout_.blocks > 1;
  // Two maps of an input as one cost little more than one; parts come back doubled here too.
  std::vector<OfHeads> of = turned(state, weights_.query(layer), weights_.query_bias(layer), 0, pairs ? 0.25 : 0.5);
  for (OfHeads& key : turned(state, weights_.key(layer), weights_.key_bias(layer), part, 0.5)) of.push_back(key);
  std::vector<Affine> query_and_key_maps;
  for (std::size_t i = 0; i < of.size(); i += 2) query_and_key_maps.push_back(affine_pair(of[i], of[i + 1]));
  const Affine values_of = value_map(state, layer, part);

  std::vector<Turns> queries, keys;
  Blocks values;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    const Value x = state.x[block];
    label(layer, "query");
    Turns all;
    for (const Affine& map : query_and_key_maps) {
      const auto [first, second] = b_.twice_parts(doubled(apply(map, x)));
      all.insert(all.end(), {first, second});
    }
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(layout_.turns);
    queries.emplace_back(all.begin(), middle);
    keys.emplace_back(middle, all.end());
    label(layer, "value");
    // Padding has weight zero: whatever else happens in its rows reaches no other row.
    values.push_back(b_.multiply(apply(values_of, x), state.shifted ? weight_shifted_[block] : weight_of_keys_[block]));
  }

  // By shift, then block. One step after the other: few rotation keys.
  std::vector<Turns> moved_keys = keys;
  Blocks moved_values = values;
  for (std::size_t k = layout_.blocks; k < inner * layout_.blocks; ++k) {
    label(layer, "key");
    moved_keys.push_back(rotated(moved_keys[k - layout_.blocks], next_token));
    label(layer, "value");
    moved_values.push_back(b_.rotate(moved_values[k - layout_.blocks], next_token));
  }
  label(layer, "key");
  std::vector<Turns> compared;  // keys, or pairs of them
  for (std::size_t k = 0; k < moved_keys.size(); k += pairs ? 2 : 1) {
    compared.push_back(moved_keys[k]);
    if (pairs)
      for (std::size_t turn = 0; turn < layout_.turns; ++turn)
        compared.back()[turn] = b_.pair(moved_keys[k][turn], moved_keys[k + 1][turn]);
  }

  Blocks context;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    const int outer_step = next_token * static_cast<int>(inner);
    Blocks sums;
    Turns query = queries[block];
    for (std::size_t outer = 0; outer < shifts; outer += inner) {
      label(layer, "query");
      if (outer > 0) query = rotated(query, -outer_step);
      Blocks scores;
      for (const Turns& key : compared) {
        label(layer, "scores");
        const Value result = score(query, key);
        if (pairs) {
          const auto [first, second] = b_.twice_parts(result);
          scores.insert(scores.end(), {first, second});
        } else {
          scores.push_back(result);
        }
      }
      std::vector<std::pair<Value, Value>> terms;
      for (std::size_t k = 0; k < scores.size(); ++k) terms.emplace_back(power(layer, scores[k]), moved_values[k]);
      label(layer, "value_sum");
      sums.push_back(b_.product_sum(terms));
    }
    Value sum = sums.back();
    for (std::size_t k = sums.size() - 1; k-- > 0;) sum = b_.add(b_.rotate(sum, outer_step), sums[k]);
    const int period = static_cast<int>(layout_.period());
    if (state.shifted) sum = circuit::rotate_and_sum(b_, sum, period * static_cast<int>(layout_.copies) / 2, period);
    context.push_back(context_of(sum));
  }
  return context;
}

OneRoundBuilder::Turns OneRoundBuilder::first_query(Value query) {
  const Value first = doubled(first_token(query));
  if (layout_.turns == 1) return {first};
  const int turn = static_cast<int>(layout_.scored);
  if (layout_.sentences == 1) return {first, b_.rotate(first, turn)};  // all rows are alike
  const auto half_of_first_tokens = [&](std::size_t half) {
    return mask(layout_.period(), [half, layout = layout_](std::size_t p) {
      return p < layout.token_step() && p % layout.width / layout.scored == half;
    });
  };
  const Value turned[] = {b_.rotate(query, turn), b_.rotate(query, -turn)};
  const circuit::PlainId halves[] = {half_of_first_tokens(0), half_of_first_tokens(1)};
  return {first, every_token(b_.weighted_sum(turned, halves))};
}

// The first token's context, in every row of its sentence. Only its query is needed; row t holds the score of key t.
Value OneRoundBuilder::cls_attention(int layer, const State& state) {
  const std::size_t half = layout_.half;
  label(layer, "query");
  Value query;
  if (state.hidden.empty()) {
    query = apply(affine(of_heads(state, weights_.query(layer), weights_.query_bias(layer), {0, half})), state.x[0]);
  } else {
    const LinearMap map = feed_forward_map(interleaved_rows(weights_.query_of_intermediate(layer)),
                                           matrix(interleaved_rows(weights_.query_of_residual(layer))));
    query = b_.add_plain(feed_forward_output(map, pieces_and_x1(state, true)[0]),
                         row_vector(interleaved(weights_.query_constant(layer)), half));
  }
  const Turns query_turns = first_query(query);
  const double factor = layout_.turns == 2 ? 0.5 : 1;
  const std::vector<OfHeads> of = turned(state, weights_.key(layer), weights_.key_bias(layer), 0, factor);
  const Affine key_map = of.size() == 1 ? affine(of[0]) : affine_pair(of[0], of[1]);
  const Affine values_of = value_map(state, layer);
  std::vector<std::pair<Value, Value>> terms;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    label(layer, "key");
    const Value mapped = doubled(apply(key_map, state.x[block]));
    Turns key = {mapped};
    if (layout_.turns == 2) {
      const auto [first, second] = b_.twice_parts(mapped);
      key = {first, second};
    }
    label(layer, "value");
    const Value value = b_.multiply(apply(values_of, state.x[block]), weight_of_keys_[block]);
    label(layer, "scores");
    terms.emplace_back(power(layer, score(query_turns, key)), value);
  }
  label(layer, "value_sum");
  return every_token(context_of(b_.product_sum(terms)));
}

}  // namespace thex::bert
