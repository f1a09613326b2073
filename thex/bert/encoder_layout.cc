#include "thex/bert/encoder_layout.h"

#include <algorithm>
#include <bit>
#include <string>

#include "thex/base/error.h"
#include "thex/bert/model.h"

namespace thex::bert {
namespace {

// Products merged at a time, and coefficients in one ciphertext: more take more rotation keys, fewer more rotations and
// traffic.
constexpr std::size_t kMerged = 8;

void require(bool ok, const std::string& what) {
  if (!ok) throw Error(ErrorCode::model, "the encrypted encoder cannot pack this model: " + what);
}

}  // namespace

EncoderLayout::EncoderLayout(const ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count)
    : slots(slot_count),
      bucket(bucket_tokens),
      hidden(static_cast<std::size_t>(config.hidden)),
      heads(static_cast<std::size_t>(config.heads)),
      head_dim(static_cast<std::size_t>(config.head_dim())),
      ffn(static_cast<std::size_t>(config.ffn)),
      labels(config.labels.size()) {
  require(heads * head_dim == hidden,
          "hidden_size " + std::to_string(hidden) + " is not a multiple of " + std::to_string(heads) + " heads");
  require(std::has_single_bit(head_dim) && head_dim >= 2 * kEstimationWidth, "head size " + std::to_string(head_dim) +
                                                                                 " must be a power of two, at least " +
                                                                                 std::to_string(2 * kEstimationWidth));
  half = std::bit_ceil(hidden);
  width = 2 * half;
  rows = slots / width;
  require(rows >= 2, "hidden_size " + std::to_string(hidden) + " needs more than " + std::to_string(slots) + " slots");
  tokens = std::min(bucket, rows);
  require(std::has_single_bit(bucket) && bucket >= 2,
          "length bucket " + std::to_string(bucket) + " is not a power of two");
  blocks = bucket / tokens;
  ffn_pieces = (ffn + half - 1) / half;
  ffn_blocks = std::bit_ceil(ffn_pieces);
  require(ffn_blocks <= rows,
          "intermediate_size " + std::to_string(ffn) + " needs more than " + std::to_string(slots) + " slots");
  require(labels >= 1 && labels <= kMaxLabels,
          std::to_string(labels) + " labels; between 1 and " + std::to_string(kMaxLabels) + " are supported");
  label_batch = 2 * (rows / ffn_blocks);
  require(tokens / 2 <= head_dim,
          "length bucket " + std::to_string(bucket) + " with heads of " + std::to_string(head_dim));
  group_blocks = std::min(blocks, head_dim / (tokens / 2));
  pairs = group_blocks * tokens / 2;
  merged = std::min(pairs, kMerged);
  window = head_dim / merged;
  spread = head_dim / pairs;
  returned = std::min(tokens / 2, kMerged);
  copies = head_dim / returned;
}

}  // namespace thex::bert
