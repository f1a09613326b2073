// Attention of the circuits of polynomials: scores as powers, no masks. Heads of one group meet those of no other.
#include <utility>

#include "thex/encoder/polynomial/builder.h"

namespace thex::encoder {

using circuit::LinearMap;

PolynomialBuilder::Turns PolynomialBuilder::rotated(Turns values, int steps) {
  for (Value& value : values) value = b_.rotate(value, steps);
  return values;
}

// Two maps of an input as one cost little more than one, and their results come back doubled.
PolynomialBuilder::Turns PolynomialBuilder::queries(int layer, std::size_t group, const Blocks& x, double factor) {
  label(Step::query, layer);
  const auto query = [&](std::size_t turn, double f) {
    return of_heads(group, weights_.query(layer), weights_.query_bias(layer), {turn * layout_.scored, layout_.half}, f);
  };
  const Value mapped = doubled(apply(
      layout_.turns == 1 ? affine(query(0, factor)) : affine_pair(query(0, factor / 2), query(1, factor / 2)), x));
  if (layout_.turns == 1) return {mapped};
  const auto [first, second] = b_.twice_parts(mapped);
  return {first, second};
}

PolynomialBuilder::KeysAndValues PolynomialBuilder::keys_and_values(int layer, std::size_t group, const Blocks& x,
                                                                    Value weights) {
  KeysAndValues all;
  std::vector<Value> values;
  for (std::size_t turn = 0; turn < layout_.turns; ++turn) {
    label(Step::key, layer);
    const std::size_t first = turn * layout_.scored;
    const Affine map =
        affine_pair(of_heads(group, weights_.key(layer), weights_.key_bias(layer), {first, layout_.half}, 0.5),
                    of_heads(group, weights_.value(layer), weights_.value_bias(layer), {first, layout_.scored}, 0.5));
    const auto [key, value] = b_.twice_parts(apply(map, x));
    all.keys.push_back(doubled(key));
    values.push_back(value);
  }
  label(Step::value, layer);
  // Padding has weight zero: whatever else happens in its rows reaches no other row.
  const Value of_turns = values.size() == 1 ? values[0] : b_.pair(values[0], values[1]);
  label(Step::weighted_value, layer);
  all.values = b_.multiply(of_turns, weights);
  return all;
}

Value PolynomialBuilder::context_of(Value sum) {
  if (layout_.turns == 1) return sum;
  const auto [first, second] = b_.twice_parts(sum);
  return b_.add(first, b_.rotate(second, -static_cast<int>(layout_.scored)));
}

Value PolynomialBuilder::score(const Turns& query, const Turns& key) {
  std::vector<std::pair<Value, Value>> terms;
  for (std::size_t turn = 0; turn < query.size(); ++turn) terms.emplace_back(query[turn], key[turn]);
  return circuit::rotate_and_sum(b_, b_.product_sum(terms), static_cast<int>(layout_.scored / 2),
                                 static_cast<int>(layout_.head_slots), kFoldsAtOnce);
}

Value PolynomialBuilder::power(int layer, Value score) {
  label(Step::power, layer);
  const Value u = b_.add_plain(score, scored_), square = b_.multiply(u, u);
  set_size_of(layer, &model::LayerRanges::score, u);
  set_size_of(layer, &model::LayerRanges::cube, square);
  return square;
}

Blocks PolynomialBuilder::attention(int layer, const State& state) {
  Blocks context;
  for (std::size_t group = 0; group < layout_.head_groups; ++group)
    context.push_back(layout_.shifts > 0 ? sheared_attention(layer, group, state.x)
                                         : shifted_attention(layer, group, state));
  return context;
}

Value PolynomialBuilder::shifted_attention(int layer, std::size_t group, const State& state) {
  const bool shifted = !state.shifted.empty();
  const std::size_t shifts = layout_.tokens / (shifted ? layout_.copies : 1);
  const int next_token = static_cast<int>(layout_.token_step());
  // Query t meets key t + s for every shift s = inner + outer: keys and values move by the inner part, queries back by
  // the outer one, and the sums of values forward again.
  std::size_t inner = 1;
  while (inner * inner < shifts) inner *= 2;
  // Two keys are compared as one pair, whose parts come back doubled: the query is halved.
  const bool pairs = inner > 1;
  Turns query = queries(layer, group, state.x, pairs ? 0.5 : 1);
  const auto [keys, values] = shifted ? keys_and_values(layer, group, state.shifted, weight_shifted_)
                                      : keys_and_values(layer, group, state.x, weight_of_keys_);

  // By shift. One step after the other: few rotation keys.
  std::vector<Turns> moved_keys{keys};
  Blocks moved_values{values};
  for (std::size_t k = 1; k < inner; ++k) {
    label(Step::key, layer);
    moved_keys.push_back(rotated(moved_keys.back(), next_token));
    label(Step::value, layer);
    moved_values.push_back(b_.rotate(moved_values.back(), next_token));
  }
  label(Step::key, layer);
  std::vector<Turns> compared;  // keys, or pairs of them
  for (std::size_t k = 0; k < moved_keys.size(); k += pairs ? 2 : 1) {
    compared.push_back(moved_keys[k]);
    if (pairs)
      for (std::size_t turn = 0; turn < layout_.turns; ++turn)
        compared.back()[turn] = b_.pair(moved_keys[k][turn], moved_keys[k + 1][turn]);
  }

  const int outer_step = next_token * static_cast<int>(inner);
  Blocks sums;
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
  return context_of(sum);
}

PolynomialBuilder::Turns PolynomialBuilder::first_query(Value query) {
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
Blocks PolynomialBuilder::cls_attention(int layer, const State& state) {
  Blocks contexts;
  for (std::size_t group = 0; group < layout_.head_groups; ++group) {
    label(Step::query, layer);
    Value query;
    if (state.hidden.empty()) {
      query =
          apply(affine(of_heads(group, weights_.query(layer), weights_.query_bias(layer), {0, layout_.half})), state.x);
    } else {
      const LinearMap map = feed_forward_map(interleaved_rows(group, weights_.query_of_intermediate(layer)),
                                             of_features(interleaved_rows(group, weights_.query_of_residual(layer))));
      query = b_.add_plain(feed_forward_output(map, state, true),
                           row_vector(interleaved(group, weights_.query_constant(layer)), layout_.half));
    }
    const Turns turns = first_query(query);
    const auto [keys, values] = keys_and_values(layer, group, state.x, weight_of_keys_);
    label(Step::scores, layer);
    const Value probabilities = power(layer, score(turns, keys));
    label(Step::value_sum, layer);
    contexts.push_back(every_token(context_of(b_.multiply(probabilities, values))));
  }
  return contexts;
}

}  // namespace thex::encoder
