#include "thex/encoder/rows/layout.h"

#include <algorithm>
#include <bit>

#include "thex/base/error.h"

namespace thex::encoder {

void RowLayout::require(bool holds, const std::string& reason) {
  if (!holds) throw Error(ErrorCode::model, "the encrypted encoder cannot pack this model: " + reason);
}

RowLayout::RowLayout(const model::ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count,
                     std::size_t row_parts, std::size_t batch, std::size_t columns)
    : slots(slot_count),
      bucket(bucket_tokens),
      sentences(batch),
      hidden(static_cast<std::size_t>(config.hidden)),
      heads(static_cast<std::size_t>(config.heads)),
      head_dim(static_cast<std::size_t>(config.head_dim())),
      ffn(static_cast<std::size_t>(config.ffn)),
      labels(config.labels.size()),
      parts(row_parts) {
  require(heads * head_dim == hidden,
          "hidden_size " + std::to_string(hidden) + " is not a multiple of " + std::to_string(heads) + " heads");
  half = columns > 0 ? columns : std::bit_ceil(hidden);
  groups = (hidden + half - 1) / half;
  width = parts * half;
  rows = slots / width;
  require(rows >= 2, "hidden_size " + std::to_string(hidden) + " needs more than " + std::to_string(slots) + " slots");
  require(sentences >= 1 && (sentences == 1 || bucket * sentences <= rows),
          std::to_string(sentences) + " sentences of " + std::to_string(bucket) + " tokens need more than " +
              std::to_string(slots) + " slots");
  tokens = std::min(bucket, rows);
  require(std::has_single_bit(bucket) && bucket >= 2,
          "length bucket " + std::to_string(bucket) + " is not a power of two");
  blocks = bucket / tokens;
  ffn_pieces = (ffn + half - 1) / half;
  ffn_blocks = std::bit_ceil(ffn_pieces);
  require(ffn_blocks <= rows,
          "intermediate_size " + std::to_string(ffn) + " needs more than " + std::to_string(slots) + " slots");
  require(labels >= 1 && labels <= model::kMaxLabels,
          std::to_string(labels) + " labels; between 1 and " + std::to_string(model::kMaxLabels) + " are supported");
}

}  // namespace thex::encoder
