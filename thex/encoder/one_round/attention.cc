// Attention of the protocol one-round: scores as powers, no masks.
#include <utility>

#include "thex/encoder/one_round/builder.h"

namespace thex::encoder {

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

OneRoundBuilder::OfHeads OneRoundBuilder::of_heads(const Entries& m, const Components& bias, Window window,
                                                   double factor) {
  const auto place = [window, half = layout_.half](std::size_t row) {
    return (window.first + row % window.period) % half;
  };
  Entries entries = interleaved_rows(m);
  if (entries)
    entries = [=, all = std::move(entries)](std::size_t r, std::size_t c) {
      return r < window.outputs ? all(place(r), c) : 0.0;
    };
  Components constant = circuit::scaled(interleaved(bias), factor);
  if (constant)
    constant = [=, all = std::move(constant)](std::size_t p) { return p < window.outputs ? all(place(p)) : 0.0; };
  return {circuit::scaled(matrix(entries, window.outputs), factor), constant};
}

OneRoundBuilder::Affine OneRoundBuilder::affine(const OfHeads& of) {
  return {LinearMap(b_, {of.matrix}, kBaby, negative_), b_.plain(circuit::vector_of(layout_.width, of.constant))};
}

OneRoundBuilder::Affine OneRoundBuilder::affine_pair(const OfHeads& first, const OfHeads& second) {
  return {LinearMap(b_, circuit::list_of(circuit::pair_of(first.matrix, second.matrix)), kBaby, negative_),
          b_.plain(circuit::complex_vector_of(layout_.width, first.constant, second.constant))};
}

OneRoundBuilder::Turns OneRoundBuilder::rotated(Turns values, int steps) {
  for (Value& value : values) value = b_.rotate(value, steps);
  return values;
}

// Two maps of an input as one cost little more than one, and their results come back doubled.
std::vector<OneRoundBuilder::Turns> OneRoundBuilder::queries(int layer, const Blocks& x, double factor) {
  const auto query = [&](std::size_t turn, double f) {
    return of_heads(weights_.query(layer), weights_.query_bias(layer), {turn * layout_.scored, layout_.half}, f);
  };
  const Affine map =
      layout_.turns == 1 ? affine(query(0, factor)) : affine_pair(query(0, factor / 2), query(1, factor / 2));
  std::vector<Turns> all;
  for (const Value& block : x) {
    label(Step::query, layer);
    const Value mapped = doubled(apply(map, block));
    if (layout_.turns == 1) {
      all.push_back({mapped});
      continue;
    }
    const auto [first, second] = b_.twice_parts(mapped);
    all.push_back({first, second});
  }
  return all;
}

OneRoundBuilder::KeysAndValues OneRoundBuilder::keys_and_values(int layer, const Blocks& x, const Blocks& weights) {
  std::vector<Affine> maps;
  for (std::size_t turn = 0; turn < layout_.turns; ++turn) {
    const std::size_t first = turn * layout_.scored;
    maps.push_back(
        affine_pair(of_heads(weights_.key(layer), weights_.key_bias(layer), {first, layout_.half}, 0.5),
                    of_heads(weights_.value(layer), weights_.value_bias(layer), {first, layout_.scored}, 0.5)));
  }
  KeysAndValues all;
  for (std::size_t block = 0; block < x.size(); ++block) {
    Turns keys, values;
    for (const Affine& map : maps) {
      label(Step::key, layer);
      const auto [key, value] = b_.twice_parts(apply(map, x[block]));
      keys.push_back(doubled(key));
      values.push_back(value);
    }
    all.keys.push_back(std::move(keys));
    label(Step::value, layer);
    // Padding has weight zero: whatever else happens in its rows reaches no other row.
    const Value of_turns = values.size() == 1 ? values[0] : b_.pair(values[0], values[1]);
    label(Step::weighted_value, layer);
    all.values.push_back(b_.multiply(of_turns, weights[block]));
  }
  return all;
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
                                 static_cast<int>(layout_.head_slots), kFoldsAtOnce);
}

Value OneRoundBuilder::power(int layer, Value score) {
  label(Step::power, layer);
  const Value u = b_.add_plain(score, scored_);
  return b_.multiply(u, u);
}

Blocks OneRoundBuilder::attention(int layer, const State& state) {
  if (layout_.shifts > 0) return {sheared_attention(layer, state)};
  const bool shifted = !state.shifted.empty();
  const std::size_t shifts = layout_.tokens / (shifted ? layout_.copies : 1);
  const int next_token = static_cast<int>(layout_.token_step());
  // Query t meets key t + s for every shift s = inner + outer: keys and values move by the inner part, queries back by
  // the outer one, and the sums of values forward again.
  std::size_t inner = 1;
  while (inner * inner < shifts) inner *= 2;
  // Two keys are compared as one pair, whose parts come back doubled: the query is halved.
  const bool pairs = inner * layout_.blocks > 1;
  const std::vector<Turns> queries_of = queries(layer, state.x, pairs ? 0.5 : 1);
  const auto [keys, values] = shifted ? keys_and_values(layer, state.shifted, weight_shifted_)
                                      : keys_and_values(layer, state.x, weight_of_keys_);

  // By shift, then block. One step after the other: few rotation keys.
  std::vector<Turns> moved_keys = keys;
  Blocks moved_values = values;
  for (std::size_t k = layout_.blocks; k < inner * layout_.blocks; ++k) {
    label(Step::key, layer);
    moved_keys.push_back(rotated(moved_keys[k - layout_.blocks], next_token));
    label(Step::value, layer);
    moved_values.push_back(b_.rotate(moved_values[k - layout_.blocks], next_token));
  }
  label(Step::key, layer);
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
    Turns query = queries_of[block];
    for (std::size_t outer = 0; outer < shifts; outer += inner) {
      label(Step::query, layer);
      if (outer > 0) query = rotated(query, -outer_step);
      Blocks scores;
      for (const Turns& key : compared) {
        label(Step::scores, layer);
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
      label(Step::value_sum, layer);
      sums.push_back(b_.product_sum(terms));
    }
    Value sum = sums.back();
    for (std::size_t k = sums.size() - 1; k-- > 0;) sum = b_.add(b_.rotate(sum, outer_step), sums[k]);
    const int period = static_cast<int>(layout_.period());
    if (shifted) sum = circuit::rotate_and_sum(b_, sum, period * static_cast<int>(layout_.copies) / 2, period);
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
  label(Step::query, layer);
  Value query;
  if (state.hidden.empty()) {
    query = apply(affine(of_heads(weights_.query(layer), weights_.query_bias(layer), {0, half})), state.x[0]);
  } else {
    const LinearMap map = feed_forward_map(interleaved_rows(weights_.query_of_intermediate(layer)),
                                           matrix(interleaved_rows(weights_.query_of_residual(layer))));
    query = b_.add_plain(feed_forward_output(map, pieces_and_x1(state, true)[0]),
                         row_vector(interleaved(weights_.query_constant(layer)), half));
  }
  const Turns query_turns = first_query(query);
  const auto [keys, values] = keys_and_values(layer, state.x, weight_of_keys_);
  std::vector<std::pair<Value, Value>> terms;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    label(Step::scores, layer);
    terms.emplace_back(power(layer, score(query_turns, keys[block])), values[block]);
  }
  label(Step::value_sum, layer);
  return every_token(context_of(b_.product_sum(terms)));
}

}  // namespace thex::encoder
