// One encoder program of polynomials alone under construction: every nonlinearity is one (Softmax::power,
// Activation::square), so that nothing of what is computed is shown to the client.
//
// In one round a full layer takes 7 levels: queries, keys and values - their products - their squares - the sum of
// values - the first feed-forward matrix, to which the attention's output matrix is multiplied - its square - the
// second one; and one more for scores as matrices, see score_matrices.cc. The last layer takes 7 too, and the choice of
// its query none: it comes from the layer before on a way as short as the keys'.
//
// Where the state is refreshed between layers, levels are counted from one refresh to the next. The attention's output
// matrix then is a step of its own, which is less work and a level more.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "thex/encoder/polynomial/layout.h"
#include "thex/encoder/rows/builder.h"
#include "thex/encoder/rows/encoder_protocol.h"

namespace thex::encoder {

class PolynomialBuilder : RowBuilder {
 public:
  PolynomialBuilder(const PolynomialLayout& layout, const EncoderWeights& weights, const Segments& segments = {},
                    const circuit::ProgramLimits& limits = {})
      : RowBuilder(layout, weights, limits),
        layout_(layout),
        segments_(segments),
        scored_(mask(layout.width, [n = layout.scored](std::size_t p) { return p < n; })) {}

  circuit::Program build() &&;

 private:
  using Maps = std::vector<circuit::Diagonals>;  // of one result, one for each input

  // What goes from layer to layer, a ciphertext for each group of features.
  struct State {
    Blocks x;        // doubled
    Blocks shifted;  // in the first layer with several copies: x with the copies shifted, for the keys
    Blocks hidden;   // a layer's hidden units, doubled pieces in pairs; none before the first layer and after a refresh
    Blocks x1;       // and its X1, single or doubled
    bool x1_is_doubled = false;
  };

  // maps.cc: matrices as blocks of groups
  // A linear map and what is added to it; the result is single.
  struct Affine {
    circuit::LinearMap map;
    circuit::PlainId constant;
  };
  Value apply(const Affine& affine, std::span<const Value> inputs);
  // Blocks of a matrix whose rows are those of one result: its columns are the features of x, in groups, or those of
  // the context.
  Maps of_features(const circuit::Entries& m, const circuit::Rows& rows, std::size_t outputs = SIZE_MAX) const;
  Maps of_features(const circuit::Entries& m) const { return of_features(m, rows()); }
  Maps of_context(const circuit::Entries& m, const circuit::Rows& rows) const;
  Maps of_context(const circuit::Entries& m) const { return of_context(m, rows()); }
  circuit::Rows rows() const { return {.kind = row_kind()}; }
  // Of x the group `group` alone, times a vector.
  Maps of_group(const circuit::Components& factors, double magnitude, std::size_t group) const;
  static Maps scaled(Maps maps, double factor);
  static Maps pairs_of(const Maps& a, const Maps& b);
  static Maps joined(Maps a, const Maps& b);
  // Which rows of a matrix of queries, keys or values: `outputs` of them, the `period` beginning with number `first`,
  // cyclically, over and over.
  struct Window {
    std::size_t first, outputs, period = SIZE_MAX;
  };
  // The matrix and the bias of a group's queries, keys or values, heads interleaved; as a map, and two of them as the
  // map to a pair.
  struct OfHeads {
    Maps maps;
    circuit::Components constant;
  };
  OfHeads of_heads(std::size_t group, const circuit::Entries& m, const circuit::Components& bias, Window window,
                   double factor = 1) const;
  Affine affine(const OfHeads& of);
  Affine affine_pair(const OfHeads& first, const OfHeads& second);
  // Matrix rows, or vector components, in the order of a group's interleaved heads.
  circuit::Entries interleaved_rows(std::size_t group, const circuit::Entries& m) const;
  circuit::Components interleaved(std::size_t group, const circuit::Components& v) const;
  // Matrix columns likewise.
  circuit::Entries interleaved_columns(std::size_t group, const circuit::Entries& m) const;

  // circuit.cc: input, layers, refreshes
  State encrypted_input();
  // Whether the state is refreshed after a layer.
  bool refreshes_after(int layer) const;
  // `count` values that came two by two as pairs, the last one alone where their number is odd; those of pairs doubled.
  Blocks taken_apart(std::span<const Value> pairs, std::size_t count);
  // Values of groups of features with new levels, which were computed times sent_factor: two groups travel as a pair.
  Blocks refreshed(int layer, const Blocks& groups);
  double sent_factor(std::size_t group) const { return (group ^ 1) < layout_.groups ? 0.5 : 1; }
  // A layer's hidden units and X1 from its input and its context.
  State feed_forward(int layer, const State& state, const Blocks& context);
  // X1 of a layer's input and its context, doubled; single. `rows`: all alike or not. `is_sent`: to be refreshed next.
  Blocks attention_output(int layer, std::span<const Value> x_and_context, const circuit::Rows& rows, bool is_sent);
  // X1 times 1 + slope m, m the mean of its squares, where the model normalises so; doubled like X1.
  Blocks normalised(int layer, const Blocks& x1);
  // Whether W1 is applied to X1's parts at once: a level less.
  bool merges() const { return segments_.layers == 0 && !scales_by_mean_square(); }
  bool scales_by_mean_square() const { return weights_.config().thex->norm == model::Norm::mean_square; }
  // X' of a layer, doubled.
  Blocks layer_output(int layer, const State& state, bool is_sent);
  // A map of the hidden units and X1; and the value that it takes them to.
  circuit::LinearMap feed_forward_map(const circuit::Entries& of_hidden, const Maps& of_x1);
  Value feed_forward_output(const circuit::LinearMap& map, const State& state, bool double_x1);
  Value token_logits(const State& state);

  // attention.cc: scores and sums of values, one group of heads at a time
  // A query or key in every turn, doubled.
  using Turns = std::vector<Value>;
  Turns rotated(Turns values, int steps);
  // The queries of x, doubled, times a factor.
  Turns queries(int layer, std::size_t group, const Blocks& x, double factor);
  // Keys, doubled, and values times the weights of their tokens. Values stand where scores are valid, a pair if there
  // are two turns.
  struct KeysAndValues {
    Turns keys;
    Value values;
  };
  KeysAndValues keys_and_values(int layer, std::size_t group, const Blocks& x, Value weights);
  // The context, single, of a sum of scored values; `turns` times as large.
  Value context_of(Value sum);
  // Rows [context | 0], heads interleaved.
  Blocks attention(int layer, const State& state);
  Value shifted_attention(int layer, std::size_t group, const State& state);
  Blocks cls_attention(int layer, const State& state);
  // The first token's query in every row of its sentence, in every turn.
  Turns first_query(Value query);
  // The sum over a head's features of the product of a query and a key, in the first `scored` columns of a row.
  Value score(const Turns& query, const Turns& key);
  // (score + 1)^2.
  Value power(int layer, Value score);

  // score_matrices.cc: the same by matrices of scores, where the layout has them
  Value sheared_attention(int layer, std::size_t group, const Blocks& x);
  Value sheared(Value x);
  Blocks score_matrices(int layer, Value query, Value key);
  Value matrix_context(int layer, const Blocks& powers, Value value);
  // By b: one in the columns of inner sum b that come to lie in the first half of a row.
  std::vector<circuit::PlainId> outer_windows();
  // The sum over b of the products terms(b), moved by A b columns.
  using Products = std::vector<std::pair<Value, Value>>;
  Value outer_sum(const std::function<Products(std::size_t b)>& terms);
  // x rotated by 0, 1, .. count - 1 times so many steps; rotations of one value share its digits.
  Blocks multiples(Value x, int steps, std::size_t count);

  // measured.cc: what is known of the model, for predictions
  void set_weight_sizes();  // of tokens
  void set_input(int layer, const State& state);
  void set_attention_sum(int layer, const Blocks& x1);
  void set_size_of(int layer, model::Range model::LayerRanges::*point, Value value);
  // How much an error of what the layer returns changes an output.
  double sensitivity_after(int layer) const;

  // last_layer.cc: all rows hold the classifier's token and share the work
  Value cls_logits(int layer, const Blocks& x_cls, const Blocks& context);

  Blocks doubled_all(Blocks singles);

  // A score's sum takes so many of its rotations in one operation.
  static constexpr int kFoldsAtOnce = 2;

  const PolynomialLayout& layout_;
  const Segments segments_;
  // Rows of one part have diagonals below the main one, and several matrices for one input.
  const circuit::LinearMap::Negative negative_ =
      layout_.parts == 1 ? circuit::LinearMap::Negative::turned_input : circuit::LinearMap::Negative::giant_steps;
  const circuit::PlainId scored_;  // one where scores are valid: in the first half of a doubled row
  Value weight_of_keys_;           // 1/n at the rows of real tokens, zero at padding
  Value weight_shifted_;           // the same of shifted copies
};

}  // namespace thex::encoder
