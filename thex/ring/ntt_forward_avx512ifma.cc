// The forward NTT with 52-bit integer multiply-add, see avx512ifma_field.h.
//
// Stages are fused: 1-4 at a time on registers loaded with a stride, the last six on 64 consecutive values, of which
// the last three shuffle lanes. The first pass cuts the polynomial into blocks that stay in the first-level cache.
//
// Lazy variant: 29q is added to the upper operands at the start, which pays for every later subtraction.
#include <cstddef>
#include <cstdint>

#include "thex/ring/avx512ifma.h"
#include "thex/ring/avx512ifma_field.h"

namespace thex::ring::ifma {
namespace {

constexpr u64 kOffset = 29;  // multiples of q

// The lazy forward transform in units of q, with 2^52 = 63.5 units: a product is below 1 + y / 2^52 units, or
// 1 + 2 y / 2^52 in the last three stages, whose quotients are computed and may be one too small.
constexpr bool bounds_hold() {
  const double modulus = 63.5;
  double high = kOffset + 1, low = kOffset, operand = 1;
  for (int stage = 0; stage < 16; ++stage) {
    const double product = 1 + (stage >= 13 ? 2 : 1) * operand / modulus;
    high += product;
    low -= product;
    operand = high;
  }
  return high < modulus && low >= 0;
}
static_assert(bounds_hold());

template <int K, bool kLazy, bool kFirst>
THEX_INLINE void forward_stages(Vector (&v)[1 << K], const Field<kLazy>& field, const Factors<K>& f, Vector two_q,
                                Vector offset) {
  if constexpr (kLazy && kFirst) {
    THEX_UNROLL for (int j = 0; j < (1 << K) / 2; ++j) v[j] = _mm512_add_epi64(v[j], offset);
  }
  THEX_UNROLL for (int s = 0; s < K; ++s) {
    const int half = 1 << (K - s - 1);
    THEX_UNROLL for (int b = 0; b < (1 << s); ++b) {
      THEX_UNROLL for (int j = 0; j < half; ++j) {
        const int x = 2 * half * b + j, i = (1 << s) - 1 + b;
        field.forward(v[x], v[x + half], f.w[i], f.quotient[i], two_q);
      }
    }
  }
}

// K stages on 2^K rows of t values each (t a multiple of 8).
template <int K, bool kLazy, bool kFirst>
void forward_pass(u64* a, std::size_t t, std::size_t node, const NttData& data) {
  const Field<kLazy> field(data.modulus);
  const Factors<K> factors(data, node);
  const Vector two_q = broadcast(2 * data.modulus.q), offset = broadcast(kOffset * data.modulus.q);
  for (std::size_t j = 0; j < t; j += 8) {
    Vector v[1 << K];
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = load(a + static_cast<std::size_t>(k) * t + j);
    forward_stages<K, kLazy, kFirst>(v, field, factors, two_q, offset);
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) store(a + static_cast<std::size_t>(k) * t + j, v[k]);
  }
}

// The last six forward stages on 64 consecutive values, and the reduction to [0, q).
template <bool kLazy, bool kFirst>
THEX_INLINE void forward_last(u64* a, std::size_t node, const NttData& data, const Field<kLazy>& field, Vector two_q,
                              Vector offset) {
  Vector v[8];
  THEX_UNROLL for (int k = 0; k < 8; ++k) v[k] = load(a + 8 * k);
  {
    const Factors<3> factors(data, node);
    forward_stages<3, kLazy, kFirst>(v, field, factors, two_q, offset);
  }
  THEX_UNROLL for (int p = 0; p < 4; ++p) {
    const LaneFactors w = forward_lane_factors(data.roots, node, static_cast<std::size_t>(p));
    LaneFactors quotient;
    if constexpr (kLazy) {
      quotient = {field.quotient_of(w.four), field.quotient_of(w.two), field.quotient_of(w.one)};
    } else {
      quotient = forward_lane_factors(data.quotients, node, static_cast<std::size_t>(p));
    }
    // Halves: x = e0-3 e8-11, y = e4-7 e12-15.
    Vector x = _mm512_shuffle_i64x2(v[2 * p], v[2 * p + 1], 0x44);
    Vector y = _mm512_shuffle_i64x2(v[2 * p], v[2 * p + 1], 0xee);
    field.forward(x, y, w.four, quotient.four, two_q);
    // Pairs: x = e01 e89 e45 e12,13, y = e23 e10,11 e67 e14,15.
    Vector s = _mm512_shuffle_i64x2(x, y, 0x88);
    Vector d = _mm512_shuffle_i64x2(x, y, 0xdd);
    field.forward(s, d, w.two, quotient.two, two_q);
    // Single values: x = e0 e2 e8 e10 e4 e6 e12 e14, y the odd ones.
    x = _mm512_unpacklo_epi64(s, d);
    y = _mm512_unpackhi_epi64(s, d);
    field.forward(x, y, w.one, quotient.one, two_q);
    x = field.canonical(field.reduce(x));
    y = field.canonical(field.reduce(y));
    store(a + 16 * p, _mm512_permutex2var_epi64(x, _mm512_setr_epi64(0, 8, 1, 9, 4, 12, 5, 13), y));
    store(a + 16 * p + 8, _mm512_permutex2var_epi64(x, _mm512_setr_epi64(2, 10, 3, 11, 6, 14, 7, 15), y));
  }
}

// All stages of a block of 2^log_n values, 6 <= log_n <= 12, below `node`.
template <bool kLazy, bool kFirst>
void forward_block(u64* a, int log_n, std::size_t node, const NttData& data) {
  const std::size_t n = std::size_t{1} << log_n;
  const int first = log_n == 10 ? 2 : log_n - 6 > 3 ? 3 : log_n - 6;  // stages of the first pass
  const int second = log_n - 6 - first;
  const std::size_t part = n >> first;
  switch (first) {
    case 1:
      forward_pass<1, kLazy, kFirst>(a, part, node, data);
      break;
    case 2:
      forward_pass<2, kLazy, kFirst>(a, part, node, data);
      break;
    case 3:
      forward_pass<3, kLazy, kFirst>(a, part, node, data);
      break;
    default:
      break;
  }
  const Field<kLazy> field(data.modulus);
  const Vector two_q = broadcast(2 * data.modulus.q), offset = broadcast(kOffset * data.modulus.q);
  for (std::size_t i = 0; i < (std::size_t{1} << first); ++i) {
    u64* const b = a + i * part;
    const std::size_t child = (node << first) + i;
    switch (second) {
      case 1:
        forward_pass<1, kLazy, false>(b, part >> 1, child, data);
        break;
      case 2:
        forward_pass<2, kLazy, false>(b, part >> 2, child, data);
        break;
      case 3:
        forward_pass<3, kLazy, false>(b, part >> 3, child, data);
        break;
      default:
        break;
    }
    for (std::size_t j = 0; j < part / 64; ++j) {
      const std::size_t leaf = (child << second) + j;
      if (kFirst && first == 0) {
        forward_last<kLazy, true>(b + 64 * j, leaf, data, field, two_q, offset);
      } else {
        forward_last<kLazy, false>(b + 64 * j, leaf, data, field, two_q, offset);
      }
    }
  }
}

template <bool kLazy>
void forward(u64* a, const NttData& data) {
  const int log_n = __builtin_ctzll(data.n);
  const int top = log_n - kBlockLog;
  constexpr std::size_t kBlock = std::size_t{1} << kBlockLog;
  switch (top) {
    case 1:
      forward_pass<1, kLazy, true>(a, kBlock, 1, data);
      break;
    case 2:
      forward_pass<2, kLazy, true>(a, kBlock, 1, data);
      break;
    case 3:
      forward_pass<3, kLazy, true>(a, kBlock, 1, data);
      break;
    case 4:
      forward_pass<4, kLazy, true>(a, kBlock, 1, data);
      break;
    default:
      forward_block<kLazy, true>(a, log_n, 1, data);
      return;
  }
  const std::size_t blocks = std::size_t{1} << top;
  for (std::size_t i = 0; i < blocks; ++i) forward_block<kLazy, false>(a + i * kBlock, kBlockLog, blocks + i, data);
}

}  // namespace

void ntt_forward(u64* a, const NttData& data) {
  data.modulus.q <= kLazyLimit ? ntt_forward_lazy(a, data) : forward<false>(a, data);
}

}  // namespace thex::ring::ifma
