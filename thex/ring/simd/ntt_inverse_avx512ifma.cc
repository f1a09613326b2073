// The strict inverse NTT with 52-bit integer multiply-add, for primes too large (or rings too small) for the lazy one.
// Gentleman-Sande butterflies, whose sums are reduced to [0, 2q) in every stage.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx512ifma.h"
#include "thex/ring/simd/avx512ifma_field.h"

namespace thex::ring::ifma {
namespace {

// K inverse stages; inputs and outputs in [0, 2q) modulo 2^52, or [0, q) after the last stage of all (kLast).
template <int K, bool kLast>
THEX_INLINE void inverse_stages(Vector (&v)[1 << K], const Field& field, const Factors<K>& f, Vector offset,
                                Vector n_inverse, Vector n_inverse_quotient) {
  THEX_UNROLL for (int s = K - 1; s >= 0; --s) {
    const int half = 1 << (K - s - 1);
    THEX_UNROLL for (int b = 0; b < (1 << s); ++b) {
      THEX_UNROLL for (int j = 0; j < half; ++j) {
        const int x = 2 * half * b + j, i = (1 << s) - 1 + b;
        field.inverse(v[x], v[x + half], f.w[i], f.quotient[i], offset);
        if (!(kLast && s == 0)) v[x] = field.reduce(v[x]);
      }
    }
  }
  if constexpr (kLast) {
    THEX_UNROLL for (int k = 0; k < (1 << K) / 2; ++k) v[k] = field.mul(v[k], n_inverse, n_inverse_quotient);
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = field.canonical(v[k]);
  }
}

template <int K, bool kLast>
void inverse_pass(u64* a, std::size_t t, std::size_t node, const NttData& data) {
  const Field field(data.modulus);
  Factors<K> factors(data, node);
  if constexpr (kLast) {
    factors.w[0] = broadcast(data.last_root.value);
    factors.quotient[0] = broadcast(data.last_root.quotient);
  }
  const Vector offset = broadcast(2 * data.modulus.q);
  const Vector n_inverse = broadcast(data.n_inverse.value), n_inverse_quotient = broadcast(data.n_inverse.quotient);
  for (std::size_t j = 0; j < t; j += 8) {
    Vector v[1 << K];
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = load(a + static_cast<std::size_t>(k) * t + j);
    inverse_stages<K, kLast>(v, field, factors, offset, n_inverse, n_inverse_quotient);
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) store(a + static_cast<std::size_t>(k) * t + j, v[k]);
  }
}

THEX_INLINE LaneFactors inverse_lane_factors(const u64* table, std::size_t node, std::size_t pair) {
  LaneFactors f = forward_lane_factors(table, node, pair);
  f.four = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4), f.four);
  return f;
}

// The first six inverse stages on 64 consecutive values in [0, q); kLast for a ring of just 64.
template <bool kLast>
THEX_INLINE void inverse_first(u64* a, std::size_t node, const NttData& data, const Field& field, Vector offset) {
  Vector v[8];
  THEX_UNROLL for (int p = 0; p < 4; ++p) {
    const LaneFactors w = inverse_lane_factors(data.roots, node, static_cast<std::size_t>(p));
    const LaneFactors quotient = inverse_lane_factors(data.quotients, node, static_cast<std::size_t>(p));
    const Vector low = load(a + 16 * p), high = load(a + 16 * p + 8);
    // Single values: x = e0 e2 e8 e10 e4 e6 e12 e14, y the odd ones.
    Vector x = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 2, 8, 10, 4, 6, 12, 14), high);
    Vector y = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(1, 3, 9, 11, 5, 7, 13, 15), high);
    field.inverse(x, y, w.one, quotient.one, offset);
    x = field.reduce(x);
    // Pairs: s = e01 e89 e45 e12,13, d = e23 e10,11 e67 e14,15.
    Vector s = _mm512_unpacklo_epi64(x, y);
    Vector d = _mm512_unpackhi_epi64(x, y);
    field.inverse(s, d, w.two, quotient.two, offset);
    s = field.reduce(s);
    // Halves: x = e01 e89 e23 e10,11, y = e45 e12,13 e67 e14,15.
    x = _mm512_shuffle_i64x2(s, d, 0x44);
    y = _mm512_shuffle_i64x2(s, d, 0xee);
    field.inverse(x, y, w.four, quotient.four, offset);
    x = field.reduce(x);
    v[2 * p] = _mm512_shuffle_i64x2(x, y, 0x88);
    v[2 * p + 1] = _mm512_shuffle_i64x2(x, y, 0xdd);
  }
  Factors<3> factors(data, node);
  if constexpr (kLast) {
    factors.w[0] = broadcast(data.last_root.value);
    factors.quotient[0] = broadcast(data.last_root.quotient);
  }
  inverse_stages<3, kLast>(v, field, factors, offset, broadcast(data.n_inverse.value),
                           broadcast(data.n_inverse.quotient));
  THEX_UNROLL for (int k = 0; k < 8; ++k) store(a + 8 * k, v[k]);
}

template <bool kLast>
void inverse_block(u64* a, int log_n, std::size_t node, const NttData& data) {
  const std::size_t n = std::size_t{1} << log_n;
  const int last = log_n == 10 ? 2 : log_n - 6 > 3 ? 3 : log_n - 6;  // stages of the last pass
  const int middle = log_n - 6 - last;
  const std::size_t part = n >> last;
  const Field field(data.modulus);
  const Vector offset = broadcast(2 * data.modulus.q);
  for (std::size_t i = 0; i < (std::size_t{1} << last); ++i) {
    u64* const b = a + i * part;
    const std::size_t child = (node << last) + i;
    for (std::size_t j = 0; j < part / 64; ++j) {
      const std::size_t leaf = (child << middle) + j;
      if (kLast && last == 0) {
        inverse_first<true>(b + 64 * j, leaf, data, field, offset);
      } else {
        inverse_first<false>(b + 64 * j, leaf, data, field, offset);
      }
    }
    switch (middle) {
      case 1:
        inverse_pass<1, false>(b, part >> 1, child, data);
        break;
      case 2:
        inverse_pass<2, false>(b, part >> 2, child, data);
        break;
      case 3:
        inverse_pass<3, false>(b, part >> 3, child, data);
        break;
      default:
        break;
    }
  }
  switch (last) {
    case 1:
      inverse_pass<1, kLast>(a, part, node, data);
      break;
    case 2:
      inverse_pass<2, kLast>(a, part, node, data);
      break;
    case 3:
      inverse_pass<3, kLast>(a, part, node, data);
      break;
    default:
      break;
  }
}

void inverse(u64* a, const NttData& data) {
  const int log_n = __builtin_ctzll(data.n);
  const int top = log_n - kBlockLog;
  constexpr std::size_t kBlock = std::size_t{1} << kBlockLog;
  if (top <= 0) {
    inverse_block<true>(a, log_n, 1, data);
    return;
  }
  const std::size_t blocks = std::size_t{1} << top;
  for (std::size_t i = 0; i < blocks; ++i) inverse_block<false>(a + i * kBlock, kBlockLog, blocks + i, data);
  switch (top) {
    case 1:
      inverse_pass<1, true>(a, kBlock, 1, data);
      break;
    case 2:
      inverse_pass<2, true>(a, kBlock, 1, data);
      break;
    case 3:
      inverse_pass<3, true>(a, kBlock, 1, data);
      break;
    default:
      inverse_pass<4, true>(a, kBlock, 1, data);
      break;
  }
}

}  // namespace

void ntt_inverse(u64* a, const NttData& data) { data.scales != nullptr ? ntt_inverse_lazy(a, data) : inverse(a, data); }

}  // namespace thex::ring::ifma
