#include "thex/encoder/the_x/layout.h"

#include <algorithm>
#include <bit>
#include <string>

#include "thex/model/model.h"

namespace thex::encoder {
namespace {

// Products merged at a time, and coefficients in one ciphertext: more take more rotation keys, fewer more rotations and
// traffic.
constexpr std::size_t kMerged = 8;

}  // namespace

EncoderLayout::EncoderLayout(const model::ModelConfig& config, std::size_t bucket_tokens, std::size_t slot_count)
    : RowLayout(config, bucket_tokens, slot_count) {
  require(std::has_single_bit(head_dim) && head_dim >= 2 * model::kEstimationWidth,
          "head size " + std::to_string(head_dim) + " must be a power of two, at least " +
              std::to_string(2 * model::kEstimationWidth));
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

}  // namespace thex::encoder
