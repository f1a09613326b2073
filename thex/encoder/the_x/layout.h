// The rows of the protocol the-x: what else is packed into them. A half row is made of heads: columns h*d .. h*d + d
// - 1.
#pragma once

#include "thex/encoder/rows/layout.h"

namespace thex::encoder {

struct EncoderLayout : RowLayout {
  // Logits of [CLS]: a group of ffn_blocks rows computes two labels at once, one in each half of its rows; what does
  // not fit is computed in further batches and moved to the next columns.
  std::size_t label_batch = 0;  // labels at a time
  std::size_t label_slot(std::size_t label) const {
    const std::size_t place = label % label_batch;
    return slot(place / 2 * ffn_blocks, place % 2, label / label_batch);
  }

  // Scores of one query block: every (key block, shift) pair gives one value to each query, head and half row. `pairs`
  // of them are packed into one ciphertext, each at score_column(pair) of its head's columns.
  std::size_t group_blocks = 0;  // key blocks in one of them
  std::size_t pairs = 0;         // group_blocks * T / 2
  std::size_t merged = 0;        // products merged in the first stage of packing
  std::size_t window = 0;        // columns between their places: head_dim / merged
  std::size_t spread = 0;        // head_dim / pairs: columns between the places of the second stage
  std::size_t score_column(std::size_t pair) const { return pair % merged * window + pair / merged * spread; }

  // The client returns the coefficients of one key block in T / 2 / returned ciphertexts: shift s in number
  // s / returned, copied over columns (s mod returned) * copies .. + copies - 1 of its head.
  std::size_t returned = 0;
  std::size_t copies = 0;  // head_dim / returned

  // Throws Error(model) naming the field whose value this packing cannot hold.
  EncoderLayout(const model::ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count);
};

}  // namespace thex::encoder
