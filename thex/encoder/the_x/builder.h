// One encoder program of the protocol the-x under construction.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "thex/encoder/rows/builder.h"
#include "thex/encoder/the_x/layout.h"

namespace thex::encoder {

class EncoderBuilder : RowBuilder {
 public:
  EncoderBuilder(const EncoderLayout& layout, const EncoderWeights& weights, const circuit::ProgramLimits& limits = {})
      : RowBuilder(layout, weights, limits), layout_(layout) {}

  circuit::Program build() &&;

 private:
  // circuit.cc: the layers
  Blocks embeddings();
  std::vector<Blocks> feed_forward(int layer, const Blocks& x);
  // of_hidden (the hidden units, in H-wide doubled pieces) + of_residual (x1, the last input).
  circuit::LinearMap feed_forward_map(const circuit::Entries& of_hidden, circuit::Diagonals of_residual);
  // The end of a layer, for each block from its pieces and x1, doubled: X', doubled, or the logits of every token,
  // label l in column l of its row and zero elsewhere.
  Blocks layer_output(int layer, const std::vector<Blocks>& pieces_and_x1);
  Blocks token_logits(const std::vector<Blocks>& pieces_and_x1);
  Value cls_layer(int layer, const Blocks& x);

  // attention.cc: rows [attention | 0] before the output projection
  Blocks attention(int layer, const Blocks& x);
  Value cls_attention(int layer, const Blocks& x, Value x_cls);
  Value scores(Value query, const std::vector<Value>& key_shifts, std::size_t first_block);
  Value merge_windows(const std::vector<Value>& values, std::size_t stride,
                      const std::function<bool(std::size_t p, std::size_t place)>& inside);
  std::vector<Value> spread_coefficients(std::span<const Value> coefficients);
  circuit::SlotSources returned_scores(std::size_t query_block, std::size_t key_block, std::size_t part,
                                       std::size_t place_of_block, std::size_t input);
  Value value_sum(std::span<const Value> coefficients, const std::vector<Value>& value_shifts);

  // softmax_estimation.cc: T, whose two ReLUs the client computes
  Value score_sum(const std::vector<Value>& coefficients);
  std::vector<Value> reciprocals(int layer, const std::vector<Value>& first, bool all_rows_equal);

  const EncoderLayout& layout_;
  // What comes back from the client in a full layer: all of them share it.
  std::vector<circuit::SlotSources> returned_scores_, returned_pieces_;
  std::map<std::pair<bool, bool>, std::vector<circuit::SlotSources>> returned_units_;  // everywhere, all rows equal
};

}  // namespace thex::encoder
