// Pieces of encoder programs that both protocols share.
//
// A "row value" is one ciphertext in the packing of layout.h; a matrix of bucket x hidden is `blocks` of them.
// "doubled" means rows [x|x], "single" [x|0]; rows of one part are both.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "thex/circuit/library/matrix.h"
#include "thex/circuit/program.h"
#include "thex/encoder/rows/layout.h"
#include "thex/encoder/rows/step.h"
#include "thex/encoder/rows/weights.h"

namespace thex::encoder {

using circuit::Value;
using Blocks = std::vector<Value>;

class RowBuilder {
 protected:
  // Both must outlive the builder.
  RowBuilder(const RowLayout& layout, const EncoderWeights& weights, const circuit::ProgramLimits& limits)
      : rows_(layout), weights_(weights), b_(layout.slots, limits) {}

  // Baby steps of a 128-wide matrix: few distinct rotations, shared by every matrix of the model.
  static constexpr int kBaby = 16;
  // With several inputs each baby step is paid for every input, a giant step once.
  static constexpr int kBabyManyInputs = 8;

  // m x + bias, single.
  Value project(int layer, Step step, Value x, const circuit::Entries& m, const circuit::Components& bias);
  // half x half on a doubled value; the result is single.
  circuit::Diagonals matrix(const circuit::Entries& m, std::size_t outputs = SIZE_MAX) const {
    return circuit::dense(rows_.half, m, {.kind = row_kind()}, outputs);
  }
  circuit::Rows::Kind row_kind() const {
    return rows_.parts == 2 ? circuit::Rows::Kind::of_two : circuit::Rows::Kind::of_one;
  }
  Value doubled(Value single);
  Value next_half(Value single);  // [0 | x]
  // A vector of `size` components in every row.
  circuit::PlainId row_vector(const circuit::Components& f, std::size_t size);
  circuit::PlainId mask(std::size_t period, const std::function<bool(std::size_t)>& inside, double value = 1.0);
  // Masks of ones: number k where inside(k, p).
  static circuit::PlainSet mask_set(std::size_t count, std::size_t period,
                                    std::function<bool(std::size_t k, std::size_t p)> inside);
  // `f` must own what it uses: it is asked when the client encrypts.
  circuit::SlotSources sources(std::function<circuit::SlotSource(RowLayout::Position)> f) const;
  // The first token's row in every row of its sentence, of rows of any kind.
  Value first_token(Value x);
  // The sum over the tokens of each sentence, in every row of it.
  Value every_token(Value x);
  // H-wide piece number m of a matrix's rows, of its columns, of a vector.
  circuit::Entries row_piece(const circuit::Entries& w, std::size_t m) const;
  circuit::Entries column_piece(const circuit::Entries& w, std::size_t m) const;
  circuit::Components piece(const circuit::Components& v, std::size_t m) const;
  std::vector<circuit::SlotSource> token_logit_slots() const;
  // "layer0.query" or, of the whole model, "classifier", with the sizes of its values.
  circuit::StepLabel step_label(Step step, int layer = -1) const;
  void label(Step step, int layer = -1) { b_.set_label(step_label(step, layer)); }

  const RowLayout& rows_;
  const EncoderWeights& weights_;
  circuit::Builder b_;
};

}  // namespace thex::encoder
