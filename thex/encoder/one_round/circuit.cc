// The protocol one-round: its input, the feed-forward layers and the logits.
#include "thex/encoder/one_round/builder.h"
#include "thex/encoder/rows/assumed_ranges.h"

namespace thex::encoder {

using circuit::Components;
using circuit::Diagonals;
using circuit::Entries;
using circuit::LinearMap;
using circuit::SlotSource;

// Of a context; see context_of.
Entries OneRoundBuilder::interleaved_columns(const Entries& m) const {
  if (!m) return nullptr;
  return [m, layout = layout_, factor = 1.0 / static_cast<double>(layout_.turns)](std::size_t r, std::size_t c) {
    return layout.is_feature(c) ? factor * m(r, layout.feature(c)) : 0.0;
  };
}

OneRoundBuilder::Affine OneRoundBuilder::attention_output(int layer, const Diagonals& of_context) {
  return {
      LinearMap(
          b_,
          {Diagonals{.period = layout_.width, .at = {{0, weights_.attention_residual(layer)}}, .magnitude = kNormGain},
           of_context},
          kBaby, negative_),
      row_vector(weights_.attention_constant(layer), layout_.hidden)};
}

Value OneRoundBuilder::apply(const Affine& affine, std::span<const Value> inputs) {
  return b_.add_plain(affine.map.apply(b_, inputs), affine.constant);
}

// Embeddings and weights travel as pairs: [x, shifted x] and [1/n, shifted 1/n], or [x, 1/n] where nothing is copied.
OneRoundBuilder::State OneRoundBuilder::encrypted_input() {
  const auto token_of = [layout = layout_](std::size_t block, std::size_t row, bool shifted) {
    return block * layout.tokens + (shifted ? layout.shifted_token(row) : layout.token(row));
  };
  const auto embeddings = [&](std::size_t block, bool shifted) {
    return sources([=, layout = layout_](RowLayout::Position at) {
      const std::size_t token = token_of(block, at.row, shifted), sentence = layout.sentence(at.row);
      if (at.column >= layout.hidden) return SlotSource{};
      return SlotSource{0, (sentence * layout.bucket + token) * layout.hidden + at.column,
                        static_cast<std::int32_t>(token), static_cast<std::int32_t>(sentence)};
    });
  };
  const auto weights = [&](std::size_t block, bool shifted) {
    return sources([=, layout = layout_](RowLayout::Position at) {
      return SlotSource{circuit::kInverseLengthSource, 0, static_cast<std::int32_t>(token_of(block, at.row, shifted)),
                        static_cast<std::int32_t>(layout.sentence(at.row))};
    });
  };
  std::vector<circuit::SlotSources> all;
  if (layout_.copies > 1) {
    all = {pair_of(embeddings(0, false), embeddings(0, true)), pair_of(weights(0, false), weights(0, true))};
  } else {
    for (std::size_t block = 0; block < layout_.blocks; ++block)
      all.push_back(pair_of(embeddings(block, false), weights(block, false)));
  }
  const std::vector<Value> fresh = b_.client_step(step_label(Step::embeddings), {}, std::move(all),
                                                  layout_.sentences * layout_.bucket * layout_.hidden);
  State state;
  if (layout_.copies > 1) {
    const auto [x, shifted] = b_.twice_parts(fresh[0]);
    const auto [weight, weight_shifted] = b_.twice_parts(fresh[1]);
    state.x = {x}, state.shifted = {shifted};
    weight_of_keys_ = {weight}, weight_shifted_ = {weight_shifted};
    return state;
  }
  for (const Value& block : fresh) {
    const auto [x, weight] = b_.twice_parts(block);
    state.x.push_back(x);
    weight_of_keys_.push_back(weight);
  }
  return state;
}

OneRoundBuilder::State OneRoundBuilder::feed_forward(int layer, const State& state, const Blocks& context) {
  const std::size_t half = layout_.half;
  label(Step::intermediate, layer);
  std::vector<Affine> maps;  // of two pieces each, as a pair; the last one alone where their number is odd
  const Entries of_layer_input = weights_.intermediate_of_input(layer),
                of_context = interleaved_columns(weights_.intermediate_of_attention(layer));
  const Components constant = weights_.intermediate_constant(layer);
  const auto row_constant = [&](std::size_t m, double factor) -> Components {
    if (!constant) return nullptr;
    return [half, factor, one = piece(constant, m)](std::size_t p) { return p < half ? factor * one(p) : 0.0; };
  };
  for (std::size_t m = 0; m < layout_.ffn_pieces; m += 2) {
    const bool alone = m + 1 == layout_.ffn_pieces;
    const auto of = [&](const Entries& entries) {
      const auto one = [&](std::size_t i) { return circuit::scaled(matrix(row_piece(entries, i)), alone ? 1 : 0.5); };
      return alone ? one(m) : circuit::pair_of(one(m), one(m + 1));
    };
    maps.push_back(
        {LinearMap(b_, circuit::list_of(of(of_layer_input), of(of_context)), kBaby, negative_),
         b_.plain(alone ? circuit::vector_of(layout_.width, row_constant(m, 1))
                        : circuit::complex_vector_of(layout_.width, row_constant(m, 0.5), row_constant(m + 1, 0.5)))});
  }
  const Affine output = attention_output(layer, matrix(interleaved_columns(weights_.attention_output(layer))));

  State next;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    label(Step::intermediate, layer);
    const Value inputs[] = {state.x[block], doubled(context[block])};
    Blocks pieces;
    for (std::size_t m = 0; m < layout_.ffn_pieces; m += 2) {
      label(Step::intermediate, layer);
      const Value u = apply(maps[m / 2], inputs);
      const auto square = [&](Value v) { return b_.multiply(v, v); };
      if (m + 1 == layout_.ffn_pieces) {
        label(Step::square, layer);
        pieces.push_back(doubled(square(u)));
        continue;
      }
      const auto [first, second] = b_.twice_parts(u);
      label(Step::square, layer);
      pieces.push_back(doubled(b_.pair(square(first), square(second))));
    }
    next.hidden.push_back(std::move(pieces));
    label(Step::attention_output, layer);
    next.x1.push_back(apply(output, inputs));
  }
  return next;
}

std::vector<Blocks> OneRoundBuilder::pieces_and_x1(const State& state, bool double_x1) {
  std::vector<Blocks> all = state.hidden;
  for (std::size_t block = 0; block < all.size(); ++block)
    all[block].push_back(double_x1 ? doubled(state.x1[block]) : state.x1[block]);
  return all;
}

// All rows are alike and share the feed-forward layer: row t computes piece t mod ffn_blocks. The logits repeat through
// all slots in the end, so that a server shows no more than them (ckks/answer.h): slot p holds label p modulo
// label_period.
Value OneRoundBuilder::cls_logits(int layer, Value x_cls, Value context) {
  using enum circuit::Rows::Kind;
  const std::size_t half = layout_.half, width = layout_.width, pieces = layout_.ffn_blocks, labels = layout_.labels,
                    period = layout_.label_period();
  const circuit::Rows::Kind kind = layout_.parts == 2 ? of_two : of_one_alike;
  label(Step::intermediate, layer);
  const Value inputs[] = {x_cls, doubled(context)};
  const circuit::Rows stacked{.kind = kind, .stacked = pieces};
  const LinearMap map(b_,
                      {circuit::dense(half, weights_.intermediate_of_input(layer), stacked),
                       circuit::dense(half, interleaved_columns(weights_.intermediate_of_attention(layer)), stacked)},
                      kBaby);
  Components constant = weights_.intermediate_constant(layer);
  if (constant)
    constant = [=, all = std::move(constant)](std::size_t p) {
      return p % width < half ? all(p / width * half + p % width) : 0.0;
    };
  const Value u = b_.add_plain(map.apply(b_, inputs), b_.plain(circuit::vector_of(width * pieces, constant)));
  label(Step::square, layer);
  const Value hidden = doubled(b_.multiply(u, u));
  label(Step::attention_output, layer);
  const Value x1 =
      apply(attention_output(
                layer, circuit::dense(half, interleaved_columns(weights_.attention_output(layer)), {.kind = kind})),
            inputs);

  label(Step::classifier);
  // Beyond its end a row goes on with the next one's piece, so a single row mixes two of them; but in the sum over the
  // rows of a group every column gets all pieces. X1, in all rows the same, is read in the first row of a group only.
  const auto by_row = [&](const Entries& m, bool first_row_only) {
    Diagonals d{.period = width * pieces};
    for (std::size_t k = 0; k < half; ++k) {
      Components f;
      if (m)
        f = [=](std::size_t p) {
          const std::size_t label = p % period, row = p / width, read = (p + k) % (width * pieces);
          if (label >= labels || (first_row_only && row > 0)) return 0.0;
          return m(label, read % half + (first_row_only ? 0 : read / width * half));
        };
      d.at.emplace(static_cast<int>(k), std::move(f));
    }
    return d;
  };
  const Value last_inputs[] = {hidden, doubled(x1)};
  const LinearMap classifier(
      b_, {by_row(weights_.logits_of_intermediate(), false), by_row(weights_.logits_of_residual(), true)}, kBaby);
  Value logits = classifier.apply(b_, last_inputs);
  if (pieces > 1)
    logits = circuit::rotate_and_sum(b_, logits, static_cast<int>(width * pieces / 2), static_cast<int>(width));
  Components constant_of_label = weights_.logits_constant();
  if (constant_of_label)
    constant_of_label = [labels, all = std::move(constant_of_label)](std::size_t p) {
      return p < labels ? all(p) : 0.0;
    };
  return b_.add_plain(logits, b_.plain(circuit::vector_of(period, constant_of_label)));
}

circuit::Program OneRoundBuilder::build() && {
  State state = encrypted_input();
  const int last = weights_.config().layers - 1;
  const bool tokens = by_token(weights_.config().task);
  for (int layer = 0; layer < last; ++layer) {
    const Blocks context = attention(layer, state);
    state = feed_forward(layer, state, context);
    state.x = layer_output(layer, pieces_and_x1(state, false));
  }
  if (tokens) {
    const Blocks context = attention(last, state);
    const Blocks results = token_logits(pieces_and_x1(feed_forward(last, state, context), true));
    return std::move(b_).finish(results, token_logit_slots(), layout_.period());
  }
  const Value context = cls_attention(last, state);
  label(Step::cls_token);
  state.x = {first_token(state.x[0])};
  // Every row computes the logits of its sentence: in a batch as tokens do, else with the others.
  const Value logits = layout_.sentences == 1
                           ? cls_logits(last, state.x[0], context)
                           : token_logits(pieces_and_x1(feed_forward(last, state, {context}), true))[0];
  std::vector<SlotSource> outputs;
  for (std::size_t sentence = 0; sentence < layout_.sentences; ++sentence)
    for (std::size_t l = 0; l < layout_.labels; ++l)
      outputs.push_back({0, layout_.slot(sentence, 0, l), -1, static_cast<std::int32_t>(sentence)});
  return std::move(b_).finish(std::span(&logits, 1), std::move(outputs),
                              layout_.sentences == 1 ? layout_.label_period() : layout_.token_step());
}

}  // namespace thex::encoder
