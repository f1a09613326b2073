#include "thex/encoder/one_round/layout.h"

#include <bit>
#include <string>

namespace thex::encoder {
namespace {

std::size_t row_parts(const model::ModelConfig& config, std::size_t bucket, std::size_t slots, std::size_t batch) {
  return 2 * bucket * batch <= RowLayout(config, bucket, slots).rows ? 2 : 1;
}

}  // namespace

std::size_t OneRoundLayout::tokens_in(const model::ModelConfig& config, std::size_t slots) {
  return slots / std::bit_ceil(static_cast<std::size_t>(config.hidden));
}

OneRoundLayout::OneRoundLayout(const model::ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count,
                               std::size_t batch, bool score_matrices)
    : RowLayout(config, bucket_tokens, slot_count, row_parts(config, bucket_tokens, slot_count, batch), batch) {
  head_slots = std::bit_ceil(heads);
  copies = rows / tokens / sentences;
  turns = parts == 2 ? 1 : 2;
  scored = half / turns;
  if (score_matrices && turns == 2 && blocks == 1 && copies == 1 && tokens >= scored / head_slots)
    shifts = scored / head_slots;
  require(head_slots * std::bit_ceil(head_dim) == half,
          std::to_string(heads) + " heads of size " + std::to_string(head_dim) + ", padded to powers of two, are " +
              std::to_string(head_slots * std::bit_ceil(head_dim)) + " columns and not the " + std::to_string(half) +
              " of hidden_size " + std::to_string(hidden));
  require(head_slots <= scored, std::to_string(heads) + " heads of one column");
  require(copies <= tokens, "length bucket " + std::to_string(bucket) + " in " + std::to_string(slots) + " slots");
  require(copies == 1 || sentences == 1, std::to_string(sentences) + " sentences of " + std::to_string(bucket) +
                                             " tokens do not fill " + std::to_string(slots) + " slots");
}

}  // namespace thex::encoder
