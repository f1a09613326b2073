// How a sentence lies in the slots.
//
// A ciphertext is R = slots / W rows of W = 2H slots (H: hidden size padded to a power of two). Row t holds token t of
// its block, normally twice, [x | x]: then a rotation by k < H is a cyclic rotation of the features in the first half.
// A block has T = min(bucket, R) tokens; a shorter bucket repeats its T rows, so that rotations by rows are cyclic over
// the tokens. A half row is made of heads: columns h*d .. h*d + d - 1.
#pragma once

#include <cstddef>

#include "thex/bert/config.h"

namespace thex::bert {

// The most labels of a classifier, of whole texts or of tokens.
inline constexpr std::size_t kMaxLabels = 64;

struct EncoderLayout {
  std::size_t slots = 0;
  std::size_t bucket = 0;  // tokens, padded
  std::size_t hidden = 0, heads = 0, head_dim = 0, ffn = 0, labels = 0;
  std::size_t half = 0;        // H
  std::size_t width = 0;       // W
  std::size_t rows = 0;        // R
  std::size_t tokens = 0;      // T
  std::size_t blocks = 0;      // ciphertexts for one matrix of bucket x hidden
  std::size_t ffn_pieces = 0;  // H-wide pieces of the FFN's hidden layer
  std::size_t ffn_blocks = 0;  // the same, up to a power of two: rows that share the last layer's FFN

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
  EncoderLayout(const ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count);

  struct Position {
    std::size_t row, part, column;  // part: 0 or 1, the half of the row
  };
  Position position(std::size_t slot) const { return {slot / width, slot % width / half, slot % half}; }
  std::size_t slot(std::size_t row, std::size_t part, std::size_t column) const {
    return row * width + part * half + column;
  }
};

}  // namespace thex::bert
