// Attention on packed rows: query-key products shift by shift, the client's ReLU, and the value sum.
#include <string>

#include "thex/bert/encoder_builder.h"

namespace thex::bert {

using circuit::SlotSource;

// Packed scores of one query block against key blocks first_block .. first_block + group_blocks - 1: u = q.k + 1 (the
// query carries 1/(2 sqrt(d))), at column h*d + (pairs - 1 - pair) * spread, zero elsewhere. key_shifts[block * T/2 +
// s] holds keys [t + s | t + s + T/2] in row t.
Value EncoderBuilder::scores(Value query, const std::vector<Value>& key_shifts, std::size_t first_block,
                             std::size_t group) {
  const std::size_t d = layout_.head_dim, half = layout_.half, heads = layout_.heads, spread = layout_.spread;
  const circuit::PlainId heads_start = mask(half, [=](std::size_t p) { return p % d == 0 && p / d < heads; });
  Value packed;
  const std::size_t pairs = group * layout_.tokens / 2;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    Value product = b_.multiply(query, key_shifts[first_block * layout_.tokens / 2 + pair]);
    product = circuit::rotate_and_sum(b_, product, static_cast<int>(d / 2), 1);
    product = b_.multiply_plain(product, heads_start);
    // Horner: earlier pairs move one place to the right with every later one.
    packed = pair == 0 ? product : b_.add(b_.rotate(packed, -static_cast<int>(spread)), product);
  }
  const circuit::PlainId ones =
      mask(half, [=](std::size_t p) { return p % d % spread == 0 && p % d / spread < pairs && p / d < heads; });
  return b_.add_plain(packed, ones);
}

// One pair's coefficient, copied over all columns of its head.
Value EncoderBuilder::spread_coefficient(Value coefficients, std::size_t position) {
  const std::size_t d = layout_.head_dim, spread = layout_.spread;
  Value v = b_.multiply_plain(coefficients, mask(d, [=](std::size_t p) { return p / spread == position; }));
  for (std::size_t step = spread, bits = position; step < d; step *= 2, bits /= 2)
    v = b_.add(v, b_.rotate(v, bits % 2 == 0 ? -static_cast<int>(step) : static_cast<int>(step)));
  return v;
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
  label(layer, "query");
  const circuit::LinearMap query_map(b_, {circuit::dense(layout_.half, weights_.query(layer))}, 16);
  const circuit::LinearMap key_map(b_, {circuit::dense(layout_.half, weights_.key(layer))}, 16);
  const circuit::LinearMap value_map(b_, {circuit::dense(layout_.half, weights_.value(layer))}, 16);
  const circuit::PlainId query_bias = row_vector(weights_.query_bias(layer), layout_.hidden);
  const circuit::PlainId key_bias = row_vector(weights_.key_bias(layer), layout_.hidden);
  const circuit::PlainId value_bias = row_vector(weights_.value_bias(layer), layout_.hidden);
  Blocks queries;
  std::vector<Value> key_shifts, value_shifts;
  for (std::size_t block = 0; block < blocks; ++block) {
    label(layer, "query");
    queries.push_back(doubled(b_.add_plain(query_map.apply(b_, x[block]), query_bias)));
    label(layer, "key");
    shifts(b_.add_plain(key_map.apply(b_, x[block]), key_bias), key_shifts);
  }

  label(layer, "scores");
  std::vector<Value> sent;
  std::vector<std::vector<SlotSource>> back;
  for (std::size_t query_block = 0; query_block < blocks; ++query_block)
    for (std::size_t first = 0; first < blocks; first += layout_.group_blocks) {
      const std::size_t group = std::min(layout_.group_blocks, blocks - first), pairs = group * half_tokens;
      sent.push_back(scores(queries[query_block], key_shifts, first, group));
      const auto input = static_cast<std::int32_t>(sent.size() - 1);
      back.push_back(sources([&](EncoderLayout::Position at) {
        const std::size_t head = at.column / layout_.head_dim, place = at.column % layout_.head_dim / layout_.spread;
        if (head >= layout_.heads || place >= pairs) return SlotSource{};
        const std::size_t pair = pairs - 1 - place, query = at.row % layout_.tokens;
        const std::size_t key = (query + pair % half_tokens + at.part * half_tokens) % layout_.tokens;
        const std::size_t key_token = (first + pair / half_tokens) * layout_.tokens + key;
        const std::size_t query_token = query_block * layout_.tokens + query;
        // Zero when the key or the query is padding.
        return SlotSource{
            input,
            static_cast<std::int32_t>(layout_.slot(at.row, at.part, head * layout_.head_dim + place * layout_.spread)),
            static_cast<std::int32_t>(std::max(key_token, query_token))};
      }));
    }
  const std::vector<Value> activated = b_.client_step("layer" + std::to_string(layer) + ".scores", sent,
                                                      std::move(back), layout_.bucket * layout_.bucket * layout_.heads);

  label(layer, "softmax");
  std::vector<Value> coefficients;
  for (Value r : activated) coefficients.push_back(cube(r));

  label(layer, "value");
  for (std::size_t block = 0; block < blocks; ++block)
    shifts(b_.add_plain(value_map.apply(b_, x[block]), value_bias), value_shifts);

  std::vector<Value> first_layer;
  for (std::size_t query_block = 0; query_block < blocks; ++query_block) {
    label(layer, "softmax");
    const std::vector<Value> own(
        coefficients.begin() + static_cast<std::ptrdiff_t>(query_block * layout_.score_groups),
        coefficients.begin() + static_cast<std::ptrdiff_t>((query_block + 1) * layout_.score_groups));
    first_layer.push_back(score_sum(own));
  }
  const std::vector<Value> t = reciprocals(layer, first_layer, false);

  Blocks heads;
  for (std::size_t query_block = 0; query_block < blocks; ++query_block) {
    label(layer, "value_sum");
    Value sum;
    for (std::size_t block = 0; block < blocks; ++block) {
      const std::size_t g = block / layout_.group_blocks, first = g * layout_.group_blocks;
      const std::size_t pairs = std::min(layout_.group_blocks, blocks - first) * half_tokens;
      std::vector<std::pair<Value, Value>> terms;
      for (std::size_t s = 0; s < half_tokens; ++s) {
        const std::size_t place = pairs - 1 - ((block - first) * half_tokens + s);
        terms.emplace_back(spread_coefficient(coefficients[query_block * layout_.score_groups + g], place),
                           value_shifts[block * half_tokens + s]);
      }
      const Value part = b_.product_sum(terms);
      sum = block == 0 ? part : b_.add(sum, part);
    }
    // Both halves hold half of the keys; the reciprocal's second half is zero and clears what is left there.
    sum = b_.add(sum, b_.rotate(sum, static_cast<int>(layout_.half)));
    heads.push_back(b_.multiply(sum, t[query_block]));
  }
  return heads;
}

// The first token's row in every row, doubled.
Value EncoderBuilder::cls_token(const Blocks& x) {
  b_.set_label("cls_token");
  const std::size_t width = layout_.width, period = layout_.tokens * width;
  const Value only = b_.multiply_plain(x[0], mask(period, [=](std::size_t p) { return p < width; }));
  return circuit::rotate_and_sum(b_, only, static_cast<int>(period / 2), static_cast<int>(width));
}

// One query, equal in all rows: row t holds the score of key t, and sums over keys are sums over rows.
Value EncoderBuilder::cls_attention(int layer, const Blocks& x, Value x_cls) {
  const std::size_t d = layout_.head_dim, half = layout_.half, heads = layout_.heads, blocks = layout_.blocks;
  const std::size_t width = layout_.width, period = layout_.tokens * width;
  const Value query = project(layer, "query", x_cls, weights_.query(layer), weights_.query_bias(layer));
  label(layer, "key");
  const circuit::LinearMap key_map(b_, {circuit::dense(half, weights_.key(layer))}, 16);
  const circuit::LinearMap value_map(b_, {circuit::dense(half, weights_.value(layer))}, 16);
  const circuit::PlainId key_bias = row_vector(weights_.key_bias(layer), layout_.hidden);
  const circuit::PlainId value_bias = row_vector(weights_.value_bias(layer), layout_.hidden);
  const circuit::PlainId heads_start =
      mask(width, [=](std::size_t p) { return p < half && p % d == 0 && p / d < heads; });
  Value packed;
  for (std::size_t block = 0; block < blocks; ++block) {
    label(layer, "key");
    const Value key = b_.add_plain(key_map.apply(b_, x[block]), key_bias);
    label(layer, "scores");
    Value product = circuit::rotate_and_sum(b_, b_.multiply(query, key), static_cast<int>(d / 2), 1);
    product = b_.multiply_plain(product, heads_start);
    packed = block == 0 ? product : b_.add(b_.rotate(packed, -1), product);
  }
  packed =
      b_.add_plain(packed, mask(width, [=](std::size_t p) { return p < half && p % d < blocks && p / d < heads; }));

  // Back comes one ciphertext for each key block, every coefficient copied over the columns of its head.
  std::vector<std::vector<SlotSource>> back;
  for (std::size_t block = 0; block < blocks; ++block)
    back.push_back(sources([&](EncoderLayout::Position at) {
      const std::size_t head = at.column / d;
      if (head >= heads || at.part == 1) return SlotSource{};
      return SlotSource{0, static_cast<std::int32_t>(layout_.slot(at.row, 0, head * d + blocks - 1 - block)),
                        static_cast<std::int32_t>(block * layout_.tokens + at.row % layout_.tokens)};
    }));
  const std::vector<Value> activated = b_.client_step("layer" + std::to_string(layer) + ".scores",
                                                      std::span(&packed, 1), std::move(back), layout_.bucket * heads);

  std::vector<std::pair<Value, Value>> terms;
  Value sum;
  for (std::size_t block = 0; block < blocks; ++block) {
    label(layer, "softmax");
    const Value c = cube(activated[block]);
    sum = block == 0 ? c : b_.add(sum, c);
    label(layer, "value");
    terms.emplace_back(c, b_.add_plain(value_map.apply(b_, x[block]), value_bias));
  }
  label(layer, "softmax");
  sum = circuit::rotate_and_sum(b_, sum, static_cast<int>(period / 2), static_cast<int>(width));
  const std::vector<Value> t = reciprocals(layer, {sum}, true);
  label(layer, "value_sum");
  const Value weighted =
      circuit::rotate_and_sum(b_, b_.product_sum(terms), static_cast<int>(period / 2), static_cast<int>(width));
  return b_.multiply(weighted, t[0]);
}

}  // namespace thex::bert
