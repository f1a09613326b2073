// The lazy forward NTT with 52-bit integer multiply-add, see avx512ifma_lazy.h.
//
// Stages are fused: 1-4 at a time on registers loaded with a stride, the last six on 64 consecutive values, of which
// the last three shuffle lanes. The first pass cuts the polynomial into blocks that stay in the first-level cache.
#include <cstddef>
#include <cstdint>

#include "thex/ring/avx512ifma.h"
#include "thex/ring/avx512ifma_lazy.h"

namespace thex::ring::ifma {
namespace {

constexpr u64 kOffset = 28;  // multiples of q, added to the upper operands at the start

constexpr bool bounds_hold() {
  const double modulus = 63.5;  // 2^52 in units of q, at the least
  double high = 1, low = 0;
  for (int stage = 0; stage < 16; ++stage) {
    const double growth = 1 + high / modulus;
    if (stage == 0) high = kOffset + 1, low = kOffset;
    high += growth;
    low -= growth;
  }
  return high < modulus && low >= 0;
}
static_assert(bounds_hold());

// K stages on 2^K rows of t values each (t a multiple of 8).
template <int K, bool kNegative, bool kFirst>
void forward_pass(u64* a, std::size_t t, std::size_t node, const NttData& data) {
  const LazyField field(data.modulus);
  const SignedFactors<K, kNegative> f(data, node);
  const Vector offset = broadcast(kOffset * data.modulus.q);
  for (std::size_t column = 0; column < t; column += 8) {
    Vector v[1 << K];
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = load(a + static_cast<std::size_t>(k) * t + column);
    if constexpr (kFirst) {
      THEX_UNROLL for (int k = 0; k < (1 << K) / 2; ++k) v[k] = _mm512_add_epi64(v[k], offset);
    }
    THEX_UNROLL for (int s = 0; s < K; ++s) {
      const int half = 1 << (K - s - 1);
      THEX_UNROLL for (int b = 0; b < (1 << s); ++b) {
        THEX_UNROLL for (int j = 0; j < half; ++j) {
          const int x = 2 * half * b + j, i = (1 << s) - 1 + b;
          field.signed_butterfly(v[x], v[x + half], f.w[i], f.quotient[i], f.start[i]);
        }
      }
    }
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) store(a + static_cast<std::size_t>(k) * t + column, v[k]);
  }
}

// The last six stages on 64 consecutive values, and the reduction to [0, q).
template <bool kNegative>
THEX_INLINE void forward_leaf(u64* a, std::size_t node, const NttData& data, const LazyField& field, Vector one) {
  Vector v[8];
  THEX_UNROLL for (int k = 0; k < 8; ++k) v[k] = load(a + 8 * k);
  {
    const SignedFactors<3, kNegative> f(data, node);
    THEX_UNROLL for (int j = 0; j < 4; ++j) {
      field.signed_butterfly(v[j], v[j + 4], f.w[0], f.quotient[0], f.start[0]);
    }
    THEX_UNROLL for (int b = 0; b < 2; ++b) {
      THEX_UNROLL for (int j = 4 * b; j < 4 * b + 2; ++j) {
        field.signed_butterfly(v[j], v[j + 2], f.w[1 + b], f.quotient[1 + b], f.start[1 + b]);
      }
    }
    // From here on all values are positive.
    THEX_UNROLL for (int b = 0; b < 4; ++b) {
      if (odd(b) != kNegative) {
        field.negated_butterfly(v[2 * b], v[2 * b + 1], f.w[3 + b], f.quotient[3 + b], f.start[3 + b]);
      } else {
        field.plain_butterfly(v[2 * b], v[2 * b + 1], f.w[3 + b], f.quotient[3 + b]);
      }
    }
  }
  // Sixteen values e0..e15 in two vectors. Each stage needs another bit of the index to tell the vectors apart, and
  // each time that is a perfect shuffle: the index bits (3 | 2 1 0), vector first, rotate to (2 | 1 0 3), (1 | 0 3 2),
  // (0 | 3 2 1) and back.
  const Vector low_halves = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const Vector high_halves = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  const u64* const four = data.quotients + (node << 3);
  const u64* const two = data.quotients + (node << 4);
  const u64* const single = data.quotients + (node << 5);
  const auto shuffle = [&] {
    THEX_UNROLL for (int p = 0; p < 8; p += 2) {
      const Vector low = _mm512_permutex2var_epi64(v[p], low_halves, v[p + 1]);
      v[p + 1] = _mm512_permutex2var_epi64(v[p], high_halves, v[p + 1]);
      v[p] = low;
    }
  };
  const auto stage = [&](auto quotients) {
    THEX_UNROLL for (int p = 0; p < 4; ++p) {
      const Vector quotient = quotients(p);
      field.plain_butterfly(v[2 * p], v[2 * p + 1], field.factor_of(quotient, one), quotient);
    }
  };
  shuffle();
  stage(
      [four](int p) { return _mm512_broadcast_i64x2(_mm_load_si128(reinterpret_cast<const __m128i*>(four + 2 * p))); });
  shuffle();
  stage([two](int p) {
    return _mm512_broadcast_i64x4(_mm256_load_si256(reinterpret_cast<const __m256i*>(two + 4 * p)));
  });
  shuffle();
  stage([single](int p) { return load(single + 8 * p); });
  THEX_UNROLL for (int k = 0; k < 8; ++k) v[k] = field.canonical(field.reduce(v[k]));
  shuffle();
  THEX_UNROLL for (int k = 0; k < 8; ++k) store(a + 8 * k, v[k]);
}

void forward_leaves(u64* a, std::size_t count, std::size_t node, const NttData& data) {
  const LazyField field(data.modulus);
  const Vector one = broadcast(1);
  for (std::size_t j = 0; j < count; ++j) {
    if (negative_block(node + j)) {
      forward_leaf<true>(a + 64 * j, node + j, data, field, one);
    } else {
      forward_leaf<false>(a + 64 * j, node + j, data, field, one);
    }
  }
}

template <bool kFirst>
void forward_stages(int stages, u64* a, std::size_t t, std::size_t node, const NttData& data) {
  const auto pass = [&]<int K>() {
    negative_block(node) ? forward_pass<K, true, kFirst>(a, t, node, data)
                         : forward_pass<K, false, kFirst>(a, t, node, data);
  };
  switch (stages) {
    case 1:
      return pass.template operator()<1>();
    case 2:
      return pass.template operator()<2>();
    case 3:
      return pass.template operator()<3>();
    default:
      return pass.template operator()<4>();
  }
}

// All stages of a block of 2^log_n values, 6 <= log_n <= 12, below `node`; not the first ones of the transform.
void forward_block(u64* a, int log_n, std::size_t node, const NttData& data) {
  const int stages = log_n - 6;
  if (stages == 0) return forward_leaves(a, 1, node, data);
  const int first = stages > 4 ? 3 : stages > 3 ? 2 : stages, second = stages - first;
  const std::size_t part = std::size_t{1} << (log_n - first);
  forward_stages<false>(first, a, part, node, data);
  for (std::size_t i = 0; i < (std::size_t{1} << first); ++i) {
    u64* const b = a + i * part;
    const std::size_t child = (node << first) + i;
    if (second > 0) forward_stages<false>(second, b, part >> second, child, data);
    forward_leaves(b, part / 64, child << second, data);
  }
}

}  // namespace

void ntt_forward_lazy(u64* a, const NttData& data) {
  const int log_n = __builtin_ctzll(data.n);
  if (log_n == 6) {
    const Vector offset = broadcast(kOffset * data.modulus.q);
    THEX_UNROLL for (int k = 0; k < 4; ++k) store(a + 8 * k, _mm512_add_epi64(load(a + 8 * k), offset));
    return forward_leaves(a, 1, 1, data);
  }
  const int rest = log_n > kBlockLog ? kBlockLog : log_n > 9 ? 9 : 6;
  const int top = log_n - rest;
  const std::size_t block = std::size_t{1} << rest;
  forward_stages<true>(top, a, block, 1, data);
  for (std::size_t i = 0; i < (std::size_t{1} << top); ++i) {
    forward_block(a + i * block, rest, (std::size_t{1} << top) + i, data);
  }
}

}  // namespace thex::ring::ifma
