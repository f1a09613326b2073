// One encoder program under construction: the layout, the weights and the pieces shared by all layers.
//
// A "row value" is one ciphertext in the packing of encoder_layout.h; a matrix of bucket x hidden is `blocks` of them.
// "doubled" means rows [x|x], "single" [x|0].
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "thex/bert/encoder_layout.h"
#include "thex/bert/encoder_weights.h"
#include "thex/circuit/matrix.h"
#include "thex/circuit/program.h"

namespace thex::bert {

using circuit::Value;
using Blocks = std::vector<Value>;

class EncoderBuilder {
 public:
  EncoderBuilder(const EncoderLayout& layout, const EncoderWeights& weights)
      : layout_(layout), weights_(weights), b_(layout.slots) {}

  circuit::Program build() &&;

 private:
  // encoder_circuit.cc: the layers
  Blocks embeddings();
  std::vector<Blocks> feed_forward(int layer, const Blocks& x);
  Blocks full_layer(int layer, const Blocks& x);
  Value cls_layer(int layer, const Blocks& x);
  Blocks token_layer(int layer, const Blocks& x);
  Blocks apply_to_feed_forward(const std::vector<Blocks>& inputs, const circuit::Entries& of_hidden,
                               circuit::Diagonals of_residual, circuit::PlainId constant);

  // attention_circuit.cc: rows [attention | 0] before the output projection
  Blocks attention(int layer, const Blocks& x);
  Value cls_attention(int layer, const Blocks& x, Value x_cls);
  Value scores(Value query, const std::vector<Value>& key_shifts, std::size_t first_block);
  Value merge_windows(const std::vector<Value>& values, std::size_t stride,
                      const std::function<bool(std::size_t p, std::size_t place)>& inside);
  std::vector<Value> spread_coefficients(std::span<const Value> coefficients);
  Value cls_token(const Blocks& x);

  // softmax_estimation_circuit.cc: T, whose two ReLUs the client computes
  Value score_sum(const std::vector<Value>& coefficients);
  std::vector<Value> reciprocals(int layer, const std::vector<Value>& first, bool all_rows_equal);

  // shared pieces
  Value project(int layer, const char* name, Value x, const circuit::Entries& m, const circuit::Components& bias);
  Value doubled(Value single);
  Value next_half(Value single);
  circuit::PlainId row_vector(const circuit::Components& f, std::size_t size);
  circuit::PlainId mask(std::size_t period, const std::function<bool(std::size_t)>& inside, double value = 1.0);
  std::vector<circuit::SlotSource> sources(const std::function<circuit::SlotSource(EncoderLayout::Position)>& f) const;
  void label(int layer, const char* step);

  const EncoderLayout& layout_;
  const EncoderWeights& weights_;
  circuit::Builder b_;
};

}  // namespace thex::bert
