#include <vector>

#include "thex/encoder/rows/assumed_ranges.h"
#include "thex/encoder/the_x/builder.h"

namespace thex::encoder {

using circuit::Diagonals;
using circuit::LinearMap;
using circuit::SlotSource;
using circuit::SlotSources;

Blocks EncoderBuilder::embeddings() {
  std::vector<SlotSources> all;
  for (std::size_t block = 0; block < layout_.blocks; ++block)
    all.push_back(sources([block, layout = layout_](RowLayout::Position at) {
      const std::size_t token = block * layout.tokens + at.row % layout.tokens;
      if (at.column >= layout.hidden) return SlotSource{};
      return SlotSource{0, token * layout.hidden + at.column, static_cast<std::int32_t>(token)};
    }));
  return b_.client_step(step_label(Step::embeddings), {}, std::move(all), layout_.bucket * layout_.hidden);
}

// A full layer up to its second feed-forward matrix: for each block the activated pieces, rows [h|h], then the residual
// with new levels, rows [x1|x1].
std::vector<Blocks> EncoderBuilder::feed_forward(int layer, const Blocks& x) {
  const Blocks heads = attention(layer, x);
  const std::size_t pieces = layout_.ffn_pieces;

  label(Step::attention_output, layer);
  const Diagonals residual = circuit::diagonals_of(layout_.width, {{0, weights_.attention_residual(layer)}}, kNormGain);
  const LinearMap attention_output(
      b_, circuit::list_of(circuit::dense(layout_.half, weights_.attention_output(layer)), residual), kBaby);
  const circuit::PlainId attention_constant = row_vector(weights_.attention_constant(layer), layout_.hidden);
  std::vector<LinearMap> intermediate;
  std::vector<circuit::PlainId> intermediate_bias;
  for (std::size_t m = 0; m < pieces; ++m) {
    intermediate.emplace_back(
        b_, circuit::list_of(circuit::dense(layout_.half, row_piece(weights_.intermediate(layer), m))), kBaby);
    intermediate_bias.push_back(row_vector(piece(weights_.intermediate_bias(layer), m), layout_.half));
  }

  Blocks x1, sent;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    label(Step::attention_output, layer);
    const Value inputs[] = {doubled(heads[block]), x[block]};
    x1.push_back(doubled(b_.add_plain(attention_output.apply(b_, inputs), attention_constant)));
    label(Step::intermediate, layer);
    std::vector<Value> hidden;
    for (std::size_t m = 0; m < pieces; ++m)
      hidden.push_back(b_.add_plain(intermediate[m].apply(b_, x1.back()), intermediate_bias[m]));
    // Two pieces travel to the client in one ciphertext.
    for (std::size_t m = 0; m < pieces; m += 2)
      sent.push_back(m + 1 < pieces ? b_.add(hidden[m], next_half(hidden[m + 1])) : hidden[m]);
  }

  const std::size_t per_block = (pieces + 1) / 2;
  std::vector<SlotSources>& back = returned_pieces_;  // the same in every layer
  if (back.empty())
    for (std::size_t block = 0; block < layout_.blocks; ++block)
      for (std::size_t m = 0; m < pieces; ++m)
        back.push_back(sources([block, m, per_block, layout = layout_](RowLayout::Position at) {
          const std::size_t token = block * layout.tokens + at.row % layout.tokens;
          return SlotSource{static_cast<std::int32_t>(block * per_block + m / 2), layout.slot(at.row, m % 2, at.column),
                            static_cast<std::int32_t>(token)};
        }));
  // The residual has no ReLU on its way: it travels along under a mask to get new levels.
  const Blocks returned =
      b_.client_step(step_label(Step::intermediate, layer), sent, back, layout_.bucket * layout_.ffn, x1);
  std::vector<Blocks> inputs;
  for (std::size_t block = 0; block < layout_.blocks; ++block) {
    const auto first = returned.begin() + static_cast<std::ptrdiff_t>(block * pieces);
    inputs.emplace_back(first, first + static_cast<std::ptrdiff_t>(pieces));
    inputs.back().push_back(returned[layout_.blocks * pieces + block]);
  }
  return inputs;
}

LinearMap EncoderBuilder::feed_forward_map(const circuit::Entries& of_hidden, Diagonals of_residual) {
  std::vector<Diagonals> maps;
  for (std::size_t m = 0; m < layout_.ffn_pieces; ++m) maps.push_back(matrix(column_piece(of_hidden, m)));
  maps.push_back(std::move(of_residual));
  return {b_, std::move(maps), kBabyManyInputs};
}

Blocks EncoderBuilder::layer_output(int layer, const std::vector<Blocks>& pieces_and_x1) {
  label(Step::output, layer);
  const LinearMap map = feed_forward_map(
      weights_.output(layer), circuit::diagonals_of(layout_.width, {{0, weights_.output_residual(layer)}}, kNormGain));
  const circuit::PlainId constant = row_vector(weights_.output_constant(layer), layout_.hidden);
  Blocks next;
  for (const Blocks& inputs : pieces_and_x1) next.push_back(doubled(b_.add_plain(map.apply(b_, inputs), constant)));
  return next;
}

Blocks EncoderBuilder::token_logits(const std::vector<Blocks>& pieces_and_x1) {
  label(Step::classifier);
  const LinearMap map = feed_forward_map(weights_.logits_of_intermediate(), matrix(weights_.logits_of_residual()));
  const circuit::PlainId constant = row_vector(weights_.logits_constant(), layout_.labels);
  Blocks logits;
  for (const Blocks& inputs : pieces_and_x1) logits.push_back(b_.add_plain(map.apply(b_, inputs), constant));
  return logits;
}

// The last layer: only the classifier's token is needed, so all rows hold its values and rows share the work.
Value EncoderBuilder::cls_layer(int layer, const Blocks& x) {
  label(Step::cls_token);
  const Value x_cls = first_token(x[0]);
  const Value heads = cls_attention(layer, x, x_cls);
  const std::size_t pieces = layout_.ffn_blocks, half = layout_.half, width = layout_.width;

  label(Step::attention_output, layer);
  const Diagonals residual = circuit::diagonals_of(width, {{0, weights_.attention_residual(layer)}}, kNormGain);
  const LinearMap attention_output(
      b_, circuit::list_of(circuit::dense(half, weights_.attention_output(layer)), residual), kBaby);
  const Value inputs[] = {doubled(heads), x_cls};
  const Value x1 = doubled(
      b_.add_plain(attention_output.apply(b_, inputs), row_vector(weights_.attention_constant(layer), layout_.hidden)));

  // Row t computes piece t mod `pieces` of the feed-forward layer.
  label(Step::intermediate, layer);
  const LinearMap intermediate(
      b_, circuit::list_of(circuit::dense(half, weights_.intermediate(layer), {.stacked = pieces})), kBaby);
  circuit::Components bias = weights_.intermediate_bias(layer);
  if (bias)
    bias = [bias, half, width](std::size_t p) { return p % width < half ? bias(p / width * half + p % width) : 0.0; };
  const Value hidden = b_.add_plain(intermediate.apply(b_, x1), b_.plain(circuit::vector_of(width * pieces, bias)));
  const std::vector<Value> returned = b_.client_step(step_label(Step::intermediate, layer), std::span(&hidden, 1),
                                                     {sources([layout = layout_](RowLayout::Position at) {
                                                       return SlotSource{0, layout.slot(at.row, 0, at.column), -1};
                                                     })},
                                                     layout_.ffn, std::span(&x1, 1));

  // A batch of labels: number 2 g + i in the rows of group g, half i. One product each for the feed-forward values and
  // for the residual, then sums over the columns of a half and over the rows of a group.
  label(Step::classifier);
  const std::size_t slots = layout_.slots, group_width = width * pieces, labels = layout_.labels;
  const std::size_t batch = layout_.label_batch, batches = (labels + batch - 1) / batch;
  const Value terms[] = {returned[0], returned[1]};  // the residual with new levels
  Value logits;
  for (std::size_t number = batches; number-- > 0;) {
    const auto label_at = [=](std::size_t p) { return number * batch + p / group_width * 2 + p % width / half; };
    circuit::Components of_hidden, of_x1;
    if (const circuit::Entries c = weights_.logits_of_intermediate())
      of_hidden = [=](std::size_t p) { return c(label_at(p), p % group_width / width * half + p % half); };
    if (const circuit::Entries d = weights_.logits_of_residual())
      of_x1 = [=](std::size_t p) { return p % group_width < width ? d(label_at(p), p % half) : 0.0; };
    const circuit::PlainId factors[] = {b_.plain(circuit::vector_of(slots, of_hidden)),
                                        b_.plain(circuit::vector_of(slots, of_x1))};
    Value sums = b_.weighted_sum(terms, factors);
    sums = circuit::rotate_and_sum(b_, sums, static_cast<int>(half / 2), 1);
    if (pieces > 1)
      sums = circuit::rotate_and_sum(b_, sums, static_cast<int>(group_width / 2), static_cast<int>(width));
    // Everything but the logits is cleared: the client learns no partial sum.
    circuit::PlainVector only_logits = circuit::vector_of(slots, [=](std::size_t p) {
      return p % group_width < width && p % half == 0 && label_at(p) < labels ? 1.0 : 0.0;
    });
    only_logits.magnitude = 1;
    const Value cleared = b_.multiply_plain(sums, b_.plain(std::move(only_logits)));
    logits = number + 1 == batches ? cleared : b_.add(b_.rotate(logits, -1), cleared);
  }
  circuit::Components constant;
  if (const circuit::Components e = weights_.logits_constant())
    constant = [=](std::size_t p) {
      const std::size_t column = p % half, l = column * batch + p / group_width * 2 + p % width / half;
      return p % group_width < width && column < batches && l < labels ? e(l) : 0.0;
    };
  return b_.add_plain(logits, b_.plain(circuit::vector_of(slots, constant)));
}

circuit::Program EncoderBuilder::build() && {
  Blocks x = embeddings();
  const int last = weights_.config().layers - 1;
  for (int layer = 0; layer < last; ++layer) x = layer_output(layer, feed_forward(layer, x));
  if (by_token(weights_.config().task)) {
    const Blocks results = token_logits(feed_forward(last, x));
    return std::move(b_).finish(results, token_logit_slots());
  }
  std::vector<SlotSource> outputs;
  const Value result = cls_layer(last, x);
  for (std::size_t l = 0; l < layout_.labels; ++l) outputs.push_back({0, layout_.label_slot(l), -1});
  return std::move(b_).finish(std::span(&result, 1), std::move(outputs));
}

}  // namespace thex::encoder
