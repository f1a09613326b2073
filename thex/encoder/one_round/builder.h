// One encoder program of the protocol one-round under construction: nothing comes back from the client, so every
// nonlinearity is a polynomial (Softmax::power, Activation::square).
//
// A full layer takes 7 levels: queries, keys and values - their products - their squares - the sum of values - the
// first feed-forward matrix, to which the attention's output matrix is multiplied - its square - the second one; and
// one more for scores as matrices, see score_matrices.cc. The last layer takes 7 too, and the choice of its query
// none: it comes from the layer before on a way as short as the keys'.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "thex/encoder/one_round/layout.h"
#include "thex/encoder/rows/builder.h"

namespace thex::encoder {

class OneRoundBuilder : RowBuilder {
 public:
  OneRoundBuilder(const OneRoundLayout& layout, const EncoderWeights& weights,
                  const circuit::ProgramLimits& limits = {})
      : RowBuilder(layout, weights, limits),
        layout_(layout),
        scored_(mask(layout.width, [n = layout.scored](std::size_t p) { return p < n; })) {
    paired_pieces_ = layout.ffn_pieces > 1;
  }

  circuit::Program build() &&;

 private:
  // What goes from layer to layer, for each block.
  struct State {
    Blocks x;                    // doubled
    Blocks shifted;              // in the first layer with several copies: x with the copies shifted, for the keys
    std::vector<Blocks> hidden;  // the last layer's hidden units, doubled pieces in pairs; none before the first layer
    Blocks x1;                   // and its X1, single
  };

  // A linear map of one or more values and what is added to it; the result is single.
  struct Affine {
    circuit::LinearMap map;
    circuit::PlainId constant;
  };
  Value apply(const Affine& affine, std::span<const Value> inputs);
  Value apply(const Affine& affine, Value input) { return apply(affine, std::span(&input, 1)); }
  // Which rows of a matrix of queries, keys or values: `outputs` of them, the `period` beginning with number `first`,
  // cyclically, over and over.
  struct Window {
    std::size_t first, outputs, period = SIZE_MAX;
  };
  // The matrix and the bias of queries, keys or values, heads interleaved; as a map, and two of them as the map to a
  // pair.
  struct OfHeads {
    circuit::Diagonals matrix;
    circuit::Components constant;
  };
  OfHeads of_heads(const circuit::Entries& m, const circuit::Components& bias, Window window, double factor = 1);
  Affine affine(const OfHeads& of);
  Affine affine_pair(const OfHeads& first, const OfHeads& second);
  // A query or key in every turn, doubled.
  using Turns = std::vector<Value>;
  Turns rotated(Turns values, int steps);
  // The queries of x, doubled, times a factor.
  std::vector<Turns> queries(int layer, const Blocks& x, double factor);
  // Keys, doubled, and values times the weights of their tokens. Values stand where scores are valid, a pair if there
  // are two turns.
  struct KeysAndValues {
    std::vector<Turns> keys;
    Blocks values;
  };
  KeysAndValues keys_and_values(int layer, const Blocks& x, const Blocks& weights);
  // The context, single, of a sum of scored values; `turns` times as large.
  Value context_of(Value sum);
  // X1 of a layer's input and its context, doubled.
  Affine attention_output(int layer, const circuit::Diagonals& of_context);

  State encrypted_input();
  // Rows [context | 0], heads interleaved.
  Blocks attention(int layer, const State& state);
  // The same by matrices of scores, where the layout has them; score_matrices.cc.
  Value sheared_attention(int layer, const State& state);
  Value sheared(Value x);
  Blocks score_matrices(int layer, Value query, Value key);
  Value matrix_context(const Blocks& powers, Value value);
  // By b: one in the columns of inner sum b that come to lie in the first half of a row.
  std::vector<circuit::PlainId> outer_windows();
  // The sum over b of the products terms(b), moved by A b columns.
  using Products = std::vector<std::pair<Value, Value>>;
  Value outer_sum(const std::function<Products(std::size_t b)>& terms);
  // x rotated by 0, 1, .. count - 1 times so many steps; rotations of one value share its digits.
  Blocks multiples(Value x, int steps, std::size_t count);
  Value cls_attention(int layer, const State& state);
  // The first token's query in every row of its sentence, in every turn.
  Turns first_query(Value query);
  // The sum over a head's features of the product of a query and a key, in the first `scored` columns of a row.
  Value score(const Turns& query, const Turns& key);
  // (score + 1)^2.
  Value power(int layer, Value score);
  // Feed-forward units and X1 of each block, from the layer's input and its context.
  State feed_forward(int layer, const State& state, const Blocks& context);
  // As the end of a layer takes them.
  std::vector<Blocks> pieces_and_x1(const State& state, bool double_x1);
  Value cls_logits(int layer, Value x_cls, Value context);

  // Matrix rows (outputs) or columns (inputs), or vector components, in the order of interleaved heads.
  circuit::Entries interleaved_rows(const circuit::Entries& m) const;
  circuit::Entries interleaved_columns(const circuit::Entries& m) const;  // of what context_of returns
  circuit::Components interleaved(const circuit::Components& v) const;

  // A score's sum takes so many of its rotations in one operation.
  static constexpr int kFoldsAtOnce = 2;

  const OneRoundLayout& layout_;
  // Rows of one part have diagonals below the main one, and several matrices for one input.
  const circuit::LinearMap::Negative negative_ =
      layout_.parts == 1 ? circuit::LinearMap::Negative::turned_input : circuit::LinearMap::Negative::giant_steps;
  const circuit::PlainId scored_;  // one where scores are valid: in the first half of a doubled row
  Blocks weight_of_keys_;          // 1/n at the rows of real tokens, zero at padding
  Blocks weight_shifted_;          // the same of shifted copies
};

}  // namespace thex::encoder
