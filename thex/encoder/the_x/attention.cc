// Attention on packed rows: query-key products shift by shift, the client's ReLU, and the value sum.
#include <algorithm>

#include "thex/encoder/the_x/builder.h"

namespace thex::encoder {

using circuit::SlotSource;
using circuit::SlotSources;

// One value that holds a part of each of the given ones, summed: with places c = 0, 1, .. that lie `stride` columns
// apart, place g of the result is the sum over all places c of values[g]. inside(p, c) says whether column p belongs to
// place c. One level; a place moves by (c - g) * stride columns, once for all values.
Value EncoderBuilder::merge_windows(const std::vector<Value>& values, std::size_t stride,
                                    const std::function<bool(std::size_t p, std::size_t place)>& inside) {
  const std::size_t half = layout_.half, d = layout_.head_dim, heads = layout_.heads;
  const int count = static_cast<int>(values.size());
  const circuit::PlainSet masks = mask_set(
      values.size(), half, [=](std::size_t place, std::size_t p) { return p / d < heads && inside(p % d, place); });
  std::vector<std::vector<circuit::WeightedTerm>> sums;
  std::vector<int> steps;
  for (int move = 1 - count; move < count; ++move) {
    auto& terms = sums.emplace_back();
    for (int g = std::max(0, -move); g < std::min(count, count - move); ++g)
      terms.push_back({.input = static_cast<std::size_t>(g), .number = static_cast<std::size_t>(g + move)});
    steps.push_back(move * static_cast<int>(stride));
  }
  return b_.sum_of_rotations(circuit::weighted_sums(b_, values, masks, sums), steps);
}

// Packed scores of one query block against key blocks first_block .. first_block + group_blocks - 1: u = q.k + 1 (the
// query carries 1/(2 sqrt(d))), pair number i at layout_.score_column(i) of its head, zero elsewhere.
// key_shifts[block * T/2 + s] holds keys [t + s | t + s + T/2] in row t.
//
// The d columns of a head are to be summed for every product. Products are merged before they are summed: 8 of them
// become windows of d/8 columns each (7 + 7 moves instead of 8 * log2(8) rotations), and such values are merged again.
Value EncoderBuilder::scores(Value query, const std::vector<Value>& key_shifts, std::size_t first_block) {
  const std::size_t d = layout_.head_dim, heads = layout_.heads, merged = layout_.merged, pairs = layout_.pairs;
  const std::size_t window = layout_.window, spread = layout_.spread;
  std::vector<Value> groups;
  for (std::size_t begin = 0; begin < pairs; begin += merged) {
    std::vector<Value> products;
    for (std::size_t pair = begin; pair < begin + merged; ++pair)
      products.push_back(b_.multiply(query, key_shifts[first_block * layout_.tokens / 2 + pair]));
    const Value sum = merge_windows(products, window, [=](std::size_t p, std::size_t c) { return p / window == c; });
    groups.push_back(spread > 1 ? circuit::rotate_and_sum(b_, sum, static_cast<int>(spread / 2), 1) : sum);
  }
  Value packed = groups[0];
  if (groups.size() > 1 || spread > 1)
    packed = merge_windows(groups, spread, [=](std::size_t p, std::size_t c) { return p % window == c * spread; });
  const circuit::PlainId ones = mask(layout_.half, [=](std::size_t p) {
    return p / d < heads && p % spread == 0;  // pairs * spread = d: every multiple of `spread` is a place
  });
  return b_.add_plain(packed, ones);
}

// Each of the coefficients that the ciphertexts hold, in order, copied over all columns of its head: sums of rotations
// by multiples of `copies`, masked, which share their baby steps and, between ciphertexts, the reading of keys.
std::vector<Value> EncoderBuilder::spread_coefficients(std::span<const Value> coefficients) {
  const std::size_t d = layout_.head_dim, copies = layout_.copies, returned = layout_.returned;
  const circuit::PlainSet masks =
      mask_set(returned, d, [=](std::size_t place, std::size_t p) { return p / copies == place; });
  std::vector<std::vector<circuit::WeightedTerm>> sums;
  for (std::size_t input = 0; input < coefficients.size(); ++input)
    for (std::size_t wanted = 0; wanted < returned; ++wanted) {
      auto& terms = sums.emplace_back();
      for (std::size_t place = 0; place < returned; ++place) {
        const int steps = (static_cast<int>(wanted) - static_cast<int>(place)) * static_cast<int>(copies);
        terms.push_back({.input = input, .steps = steps, .number = place});
      }
    }
  return circuit::weighted_sums(b_, coefficients, masks, sums);
}

// Where the client takes the coefficients of one query block, one key block and one part of its shifts from, in the
// scores that it decrypts: value `input` of the step, which holds `place` key blocks before this one.
SlotSources EncoderBuilder::returned_scores(std::size_t query_block, std::size_t key_block, std::size_t part,
                                            std::size_t place_of_block, std::size_t input) {
  return sources([=, layout = layout_](RowLayout::Position at) {
    const std::size_t half_tokens = layout.tokens / 2;
    const std::size_t head = at.column / layout.head_dim, place = at.column % layout.head_dim / layout.copies;
    if (head >= layout.heads) return SlotSource{};
    const std::size_t shift = part * layout.returned + place, query = at.row % layout.tokens;
    const std::size_t key = (query + shift + at.part * half_tokens) % layout.tokens;
    const std::size_t key_token = key_block * layout.tokens + key, query_token = query_block * layout.tokens + query;
    const std::size_t column = head * layout.head_dim + layout.score_column(place_of_block * half_tokens + shift);
    // Zero when the key or the query is padding.
    return SlotSource{static_cast<std::int32_t>(input), layout.slot(at.row, at.part, column),
                      static_cast<std::int32_t>(std::max(key_token, query_token))};
  });
}

// The sum over all keys of coefficient times value, for the queries of one block. Each half of a row sums half of the
// keys; here they are added.
Value EncoderBuilder::value_sum(std::span<const Value> coefficients, const std::vector<Value>& value_shifts) {
  const std::size_t half_tokens = layout_.tokens / 2, parts = half_tokens / layout_.returned;
  Value sum;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    std::vector<std::pair<Value, Value>> terms;
    for (Value c : spread_coefficients(coefficients.subspan(block * parts, parts)))
      terms.emplace_back(c, value_shifts[block * half_tokens + terms.size()]);
    const Value of_block = b_.product_sum(terms);
    sum = block == 0 ? of_block : b_.add(sum, of_block);
  }
  return b_.add(sum, b_.rotate(sum, static_cast<int>(layout_.half)));
}

Blocks EncoderBuilder::attention(int layer, const Blocks& x) {
  const std::size_t half_tokens = layout_.tokens / 2, blocks = layout_.blocks;
  const int row = static_cast<int>(layout_.width);
  // Rows [k | 0] -> [k_t | k_(t + T/2)], then all T/2 shifts.
  const auto shifts = [&](Value single, std::vector<Value>& all) {
    Value v = b_.add(single, b_.rotate(single, row * static_cast<int>(half_tokens) - static_cast<int>(layout_.half)));
    for (std::size_t s = 0; s < half_tokens; ++s) {
      if (s > 0) v = b_.rotate(v, row);
      all.push_back(v);
    }
  };
  label(Step::query, layer);
  const circuit::LinearMap query_map(b_, circuit::list_of(circuit::dense(layout_.half, weights_.query(layer))), 16);
  const circuit::LinearMap key_map(b_, circuit::list_of(circuit::dense(layout_.half, weights_.key(layer))), 16);
  const circuit::LinearMap value_map(b_, circuit::list_of(circuit::dense(layout_.half, weights_.value(layer))), 16);
  const circuit::PlainId query_bias = row_vector(weights_.query_bias(layer), layout_.hidden);
  const circuit::PlainId key_bias = row_vector(weights_.key_bias(layer), layout_.hidden);
  const circuit::PlainId value_bias = row_vector(weights_.value_bias(layer), layout_.hidden);
  Blocks queries;
  std::vector<Value> key_shifts, value_shifts;
  for (std::size_t block = 0; block < blocks; ++block) {
    label(Step::query, layer);
    queries.push_back(doubled(b_.add_plain(query_map.apply(b_, x[block]), query_bias)));
    label(Step::key, layer);
    shifts(b_.add_plain(key_map.apply(b_, x[block]), key_bias), key_shifts);
  }

  label(Step::scores, layer);
  std::vector<Value> sent;
  std::vector<SlotSources>& back = returned_scores_;  // the same in every layer
  const bool made = !back.empty();
  const std::size_t returned = layout_.returned, parts = half_tokens / returned;
  for (std::size_t query_block = 0; query_block < blocks; ++query_block)
    for (std::size_t first = 0; first < blocks; first += layout_.group_blocks) {
      sent.push_back(scores(queries[query_block], key_shifts, first));
      for (std::size_t block = first; !made && block < first + layout_.group_blocks; ++block)
        for (std::size_t part = 0; part < parts; ++part)
          back.push_back(returned_scores(query_block, block, part, block - first, sent.size() - 1));
    }
  // The client cubes what it sees anyway: two levels less for the server.
  const std::vector<Value> coefficients =
      b_.client_step(step_label(Step::scores, layer), sent, back, layout_.bucket * layout_.bucket * layout_.heads, {},
                     circuit::ClientFunction::relu_cubed);

  label(Step::value, layer);
  for (std::size_t block = 0; block < blocks; ++block)
    shifts(b_.add_plain(value_map.apply(b_, x[block]), value_bias), value_shifts);

  std::vector<Value> first_layer;
  for (std::size_t query_block = 0; query_block < blocks; ++query_block) {
    label(Step::softmax, layer);
    const auto own = coefficients.begin() + static_cast<std::ptrdiff_t>(query_block * blocks * parts);
    first_layer.push_back(score_sum({own, own + static_cast<std::ptrdiff_t>(blocks * parts)}));
  }
  const std::vector<Value> t = reciprocals(layer, first_layer, false);

  Blocks heads;
  for (std::size_t query_block = 0; query_block < blocks; ++query_block) {
    label(Step::value_sum, layer);
    const Value sum =
        value_sum(std::span(coefficients).subspan(query_block * blocks * parts, blocks * parts), value_shifts);
    // The reciprocal's second half is zero and clears what is left there.
    heads.push_back(b_.multiply(sum, t[query_block]));
  }
  return heads;
}

// One query, equal in all rows: row t holds the score of key t, and sums over keys are sums over rows.
Value EncoderBuilder::cls_attention(int layer, const Blocks& x, Value x_cls) {
  const std::size_t d = layout_.head_dim, half = layout_.half, heads = layout_.heads, blocks = layout_.blocks;
  const std::size_t width = layout_.width, period = layout_.tokens * width;
  const Value query = project(layer, Step::query, x_cls, weights_.query(layer), weights_.query_bias(layer));
  label(Step::key, layer);
  const circuit::LinearMap key_map(b_, circuit::list_of(circuit::dense(half, weights_.key(layer))), 16);
  const circuit::LinearMap value_map(b_, circuit::list_of(circuit::dense(half, weights_.value(layer))), 16);
  const circuit::PlainId key_bias = row_vector(weights_.key_bias(layer), layout_.hidden);
  const circuit::PlainId value_bias = row_vector(weights_.value_bias(layer), layout_.hidden);
  const circuit::PlainId heads_start =
      mask(width, [=](std::size_t p) { return p < half && p % d == 0 && p / d < heads; });
  Value packed;
  for (std::size_t block = 0; block < blocks; ++block) {
    label(Step::key, layer);
    const Value key = b_.add_plain(key_map.apply(b_, x[block]), key_bias);
    label(Step::scores, layer);
    Value product = circuit::rotate_and_sum(b_, b_.multiply(query, key), static_cast<int>(d / 2), 1);
    product = b_.multiply_plain(product, heads_start);
    packed = block == 0 ? product : b_.add(b_.rotate(packed, -1), product);
  }
  packed =
      b_.add_plain(packed, mask(width, [=](std::size_t p) { return p < half && p % d < blocks && p / d < heads; }));

  // Back comes one ciphertext for each key block, every coefficient copied over the columns of its head.
  std::vector<SlotSources> back;
  for (std::size_t block = 0; block < blocks; ++block)
    back.push_back(sources([=, layout = layout_](RowLayout::Position at) {
      const std::size_t head = at.column / d;
      if (head >= heads || at.part == 1) return SlotSource{};
      return SlotSource{0, layout.slot(at.row, 0, head * d + blocks - 1 - block),
                        static_cast<std::int32_t>(block * layout.tokens + at.row % layout.tokens)};
    }));
  const std::vector<Value> coefficients =
      b_.client_step(step_label(Step::scores, layer), std::span(&packed, 1), std::move(back), layout_.bucket * heads,
                     {}, circuit::ClientFunction::relu_cubed);

  Value sum = coefficients[0];
  Blocks values;
  label(Step::softmax, layer);
  for (std::size_t block = 1; block < blocks; ++block) sum = b_.add(sum, coefficients[block]);
  sum = circuit::rotate_and_sum(b_, sum, static_cast<int>(period / 2), static_cast<int>(width));
  label(Step::value, layer);
  for (std::size_t block = 0; block < blocks; ++block)
    values.push_back(b_.add_plain(value_map.apply(b_, x[block]), value_bias));
  // The coefficients take the reciprocal, not the sum of values: those came the longer way.
  const std::vector<Value> t = reciprocals(layer, {sum}, true);
  label(Step::value_sum, layer);
  std::vector<std::pair<Value, Value>> terms;
  for (std::size_t block = 0; block < blocks; ++block)
    terms.emplace_back(b_.multiply(coefficients[block], t[0]), values[block]);
  return circuit::rotate_and_sum(b_, b_.product_sum(terms), static_cast<int>(period / 2), static_cast<int>(width));
}

}  // namespace thex::encoder
