// The rows of the circuits of polynomials alone.
//
// Columns. A ciphertext holds all rows of a query, so that attention needs no exchange between ciphertexts; where the
// hidden size leaves no room for that, it is split by whole heads: ciphertext g has the features of one group, and a
// matrix is one block for each two groups. A hidden size of 384 or 768 is then padded to no power of two.
//
// Queries, keys and values have the heads of their group interleaved: feature i of head h is in column
// i * head_slots + h. Sums over the features of a head are then cyclic rotations of a doubled row, which leave the sum
// in every column of the head: no masks, so no levels.
//
// What fills more than half of the doubled rows has rows of one part instead. Queries and keys then come twice, the
// second time turned by half a row: the sum of both products repeats after half a row, and cyclic rotations leave the
// sum of a head in the first half of the columns. The values of both halves are read there, as a pair.
//
// Where the tokens fill the rows there are as many shifts of keys as rows of features: scores are one matrix for
// several shifts, see score_matrices.cc.
//
// A bucket shorter than the R rows is repeated. In the first layer each repetition takes other keys: copy number r of
// the tokens is shifted by r * T / copies rows, so that T / copies shifts show all keys to every query.
#pragma once

#include <algorithm>
#include <bit>

#include "thex/encoder/rows/layout.h"

namespace thex::encoder {

struct PolynomialLayout : RowLayout {
  std::size_t head_slots = 0;   // heads in a group, padded to a power of two
  std::size_t head_groups = 0;  // ciphertexts for all heads
  std::size_t copies = 0;       // repetitions of the T tokens in a ciphertext: R / T
  std::size_t turns = 0;        // of queries and keys: 1 of doubled rows, else 2
  std::size_t scored = 0;       // first columns in which a score is valid: half / turns
  std::size_t shifts = 0;  // of keys that a sheared matrix of scores holds: scored / head_slots, 0 where none can be

  // `score_matrices`: whether scores may be, which takes a level more in every full layer. Throws Error(model) naming
  // the field whose value this packing cannot hold.
  PolynomialLayout(const model::ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count,
                   std::size_t batch = 1, bool score_matrices = true);

  // Tokens of a batch, whosever they are: what fills a ciphertext, but at least 128 where a head's columns leave room.
  static std::size_t tokens_in(const model::ModelConfig& config, std::size_t slots);

  // Slots after which the logits of one sentence repeat. At least two: a single value with its copy would leave a
  // forged answer a chance of 2^-15.
  std::size_t label_period() const { return std::max<std::size_t>(2, std::bit_ceil(labels)); }

  // Whether a column of a group holds a feature of a head, and which one of the model's.
  bool is_feature(std::size_t group, std::size_t column) const {
    return head(group, column) < heads && column / head_slots < head_dim;
  }
  std::size_t feature(std::size_t group, std::size_t column) const {
    return head(group, column) * head_dim + column / head_slots;
  }
  // The token and the sentence of a row, and the token of a row of shifted copies.
  std::size_t token(std::size_t row) const { return row / sentences % tokens; }
  std::size_t sentence(std::size_t row) const { return row % sentences; }
  std::size_t shifted_token(std::size_t row) const { return (row + row / tokens * (tokens / copies)) % tokens; }

 private:
  std::size_t head(std::size_t group, std::size_t column) const { return group * head_slots + column % head_slots; }
};

}  // namespace thex::encoder
