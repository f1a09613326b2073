#include "thex/ckks/modulus_chain.h"

#include <algorithm>

namespace thex::ckks {
namespace {

// P is that many bits above the largest digit: the noise of a key switch is then near that of its rounding.
constexpr int kKeySwitchMargin = 2;
constexpr int kLeastSpecialBits = 30;

// A lowest prime of `first` bits, one of `second`, and the others of the scale's, `alpha` of them in a digit; none when
// that is above the table.
std::optional<ContextSpec> chain_of(int log_n, Level depth, int alpha, int scale, int first, int second) {
  const int digit = alpha == 1 ? std::max(first, second) : first + second + (alpha - 2) * scale;
  const int special_count = (digit + kKeySwitchMargin + ring::kFastPrimeBits - 1) / ring::kFastPrimeBits;
  const int special_bits = std::max(kLeastSpecialBits * special_count, digit + kKeySwitchMargin);
  // A prime "of b bits" may lie just above 2^b: leave a fraction of a bit.
  const int log_q = depth == 0 ? first : first + second + (depth.number() - 1) * scale;
  if (log_q + special_bits + 0.01 > max_log_qp_128(log_n)) return std::nullopt;
  ContextSpec chain{.log_n = log_n,
                    .q_bits = std::vector<int>(depth.limbs(), scale),
                    .p_bits = {},
                    .digit_limbs = static_cast<std::size_t>(alpha),
                    .log_scale = scale};
  chain.q_bits[0] = first;
  if (depth >= 1) chain.q_bits[1] = second;
  chain.wide_q1 = second > scale;
  for (int i = 0; i < special_count; ++i) chain.p_bits.push_back((special_bits + i) / special_count);
  return chain;
}

}  // namespace

std::optional<ContextSpec> modulus_chain(const ChainRequest& request, int alpha) {
  const int largest = std::min({std::max(request.min_log_scale, request.max_log_scale),
                                std::max(request.min_log_scale, ring::kFastPrimeBits - request.integer_bits),
                                ring::kMaxPrimeBits - request.integer_bits});
  for (int scale = largest; scale >= request.min_log_scale; --scale) {
    int first = scale + request.integer_bits, second = scale;
    if (request.mask_bits > 0) {
      const int both = scale + request.mask_bits;
      first = std::max(first, (both + 1) / 2);
      second = std::max(second, both - first);
      if (first > ring::kMaxPrimeBits || second > ring::kMaxPrimeBits) continue;
    }
    auto chain = chain_of(request.log_n, request.depth, alpha, scale, first, second);
    if (chain) return chain;
  }
  return std::nullopt;
}

std::vector<ContextSpec> modulus_chains(const ChainRequest& request) {
  std::vector<ContextSpec> all;
  for (int alpha = 1; alpha <= request.depth.number() + 1; ++alpha) {
    const auto chain = modulus_chain(request, alpha);
    if (!chain) continue;
    all.push_back(*chain);
    for (int first = chain->q_bits[0] + 1; first <= ring::kFastPrimeBits; ++first) {
      const auto wider = chain_of(request.log_n, request.depth, alpha, chain->log_scale, first,
                                  request.depth >= 1 ? chain->q_bits[1] : chain->log_scale);
      if (wider && wider->p_bits.size() == chain->p_bits.size()) all.back() = *wider;
    }
  }
  return all;
}

}  // namespace thex::ckks
