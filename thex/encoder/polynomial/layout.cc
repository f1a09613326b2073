#include "thex/encoder/polynomial/layout.h"

#include <bit>
#include <string>

namespace thex::encoder {
namespace {

constexpr std::size_t kBatchRows = 128;

std::size_t padded_hidden(const model::ModelConfig& config) {
  return std::bit_ceil(static_cast<std::size_t>(config.hidden));
}

// All features where every token of the query has a row for them, else as many as there is room for.
std::size_t columns(const model::ModelConfig& config, std::size_t tokens, std::size_t slots) {
  return std::min(padded_hidden(config), std::max<std::size_t>(1, std::bit_floor(slots / tokens)));
}

// Doubled rows where they are repeated anyway.
std::size_t row_parts(const model::ModelConfig& config, std::size_t tokens, std::size_t slots) {
  return 4 * tokens * padded_hidden(config) <= slots ? 2 : 1;
}

}  // namespace

std::size_t PolynomialLayout::tokens_in(const model::ModelConfig& config, std::size_t slots) {
  const std::size_t of_one_head = slots / std::bit_ceil(static_cast<std::size_t>(config.head_dim()));
  return std::min(of_one_head, std::max(kBatchRows, slots / padded_hidden(config)));
}

PolynomialLayout::PolynomialLayout(const model::ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count,
                                   std::size_t batch, bool score_matrices)
    : RowLayout(config, bucket_tokens, slot_count, row_parts(config, bucket_tokens * batch, slot_count), batch,
                columns(config, bucket_tokens * batch, slot_count)) {
  const std::size_t head_columns = std::bit_ceil(head_dim);
  require(half >= head_columns, "a head of size " + std::to_string(head_dim) + " and " +
                                    std::to_string(bucket_tokens * batch) + " tokens need more than " +
                                    std::to_string(slots) + " slots");
  head_slots = half / head_columns;
  head_groups = (heads + head_slots - 1) / head_slots;
  copies = rows / tokens / sentences;
  turns = parts == 2 ? 1 : 2;
  scored = half / turns;
  if (score_matrices && turns == 2 && copies == 1 && tokens >= scored / head_slots) shifts = scored / head_slots;
  require(head_slots <= scored, std::to_string(heads) + " heads of one column");
  require(copies <= tokens, "length bucket " + std::to_string(bucket) + " in " + std::to_string(slots) + " slots");
  require(copies == 1 || sentences == 1, std::to_string(sentences) + " sentences of " + std::to_string(bucket) +
                                             " tokens do not fill " + std::to_string(slots) + " slots");
}

}  // namespace thex::encoder
