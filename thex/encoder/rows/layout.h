// How a sentence lies in the slots.
//
// A ciphertext is R = slots / W rows of W = 2H slots (H: hidden size padded to a power of two). Row t holds token t of
// its block, normally twice, [x | x]: then a rotation by k < H is a cyclic rotation of the features in the first half.
// Rows of W = H slots hold it once: twice as many tokens in a ciphertext, and about twice as many diagonals in a
// matrix. A block has T = min(bucket, R) tokens; a shorter bucket repeats its T rows, so that rotations by rows are
// cyclic over the tokens. Of a batch of S sentences row t * S + s is token t of sentence s: rotations by S rows are
// cyclic as well.
//
// Where a smaller H is given the hidden features are split: ciphertext g holds features g H to (g + 1) H - 1 of every
// token.
#pragma once

#include <cstddef>
#include <string>

#include "thex/model/config.h"

namespace thex::encoder {

struct RowLayout {
  std::size_t slots = 0;
  std::size_t bucket = 0;     // tokens, padded
  std::size_t sentences = 0;  // S
  std::size_t hidden = 0, heads = 0, head_dim = 0, ffn = 0, labels = 0;
  std::size_t parts = 0;       // halves in a row: 2, or 1
  std::size_t half = 0;        // H
  std::size_t groups = 0;      // of H features
  std::size_t width = 0;       // W
  std::size_t rows = 0;        // R
  std::size_t tokens = 0;      // T
  std::size_t blocks = 0;      // ciphertexts for one matrix of bucket x hidden
  std::size_t ffn_pieces = 0;  // H-wide pieces of the FFN's hidden layer
  std::size_t ffn_blocks = 0;  // the same, up to a power of two: rows that share the last layer's FFN

  // Throws Error(model) naming the field whose value rows cannot hold.
  // `columns`: H, a power of two; 0: all features.
  RowLayout(const model::ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count,
            std::size_t row_parts = 2, std::size_t batch = 1, std::size_t columns = 0);

  struct Position {
    std::size_t row, part, column;  // part: the half of the row, less than `parts`
  };
  Position position(std::size_t slot) const { return {slot / width, slot % width / half, slot % half}; }
  // Slots from one token to the next, and of all tokens.
  std::size_t token_step() const { return width * sentences; }
  std::size_t period() const { return tokens * token_step(); }
  std::size_t slot(std::size_t row, std::size_t part, std::size_t column) const {
    return row * width + part * half + column;
  }

 protected:
  // Error(model) with that reason unless it holds.
  static void require(bool holds, const std::string& reason);
};

}  // namespace thex::encoder
