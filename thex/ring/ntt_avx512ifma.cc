// The NTT with 52-bit integer multiply-add (Harvey 2014 butterflies with Shoup factors, eight at a time).
//
// Lanes hold residues modulo 2^52: the multiplier reads only the low 52 bits, so a lane may carry garbage above them
// until the last reduction masks it away; only the residue's true value has to stay in [0, 2^52).
//
// Two variants:
//  - lazy, for q <= 2^53 / 127 (a little above 2^46): no reduction between stages. The forward transform starts with
//  29q added to
//    the upper operands, which pays for every later subtraction; bounds_hold() checks that 16 stages stay inside [0,
//    2^52).
//  - strict, for any q < 2^50: every stage first brings the upper operand below 2q, so that residues stay below 4q.
//
// Stages are fused: 1-4 at a time on registers loaded with a stride, the last six on 64 consecutive values, of which
// the last three shuffle lanes. The first pass cuts the polynomial into blocks of 2^12 values (32 KiB) that stay in the
// first-level cache.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "thex/ring/avx512ifma.h"

#define THEX_INLINE inline __attribute__((always_inline))
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define THEX_UNROLL  // instrumented loops cannot be unrolled
#elif defined(__clang__)
#define THEX_UNROLL _Pragma("unroll")
#else
#define THEX_UNROLL _Pragma("GCC unroll 16")
#endif

namespace thex::ring::ifma {
namespace {

using u64 = std::uint64_t;
using Vector = __m512i;

constexpr u64 kMask52 = (u64{1} << 52) - 1;
constexpr int kBlockLog = 12;
constexpr u64 kLazyLimit = (u64{1} << 53) / 127;
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

THEX_INLINE Vector load(const u64* p) { return _mm512_load_si512(p); }
THEX_INLINE void store(u64* p, Vector v) { _mm512_store_si512(p, v); }
THEX_INLINE Vector broadcast(u64 x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
THEX_INLINE Vector zero() { return _mm512_setzero_si512(); }

template <bool kLazy>
struct Field {
  explicit THEX_INLINE Field(const ModulusData& m)
      : q(broadcast(m.q)),
        minus_q(broadcast((kMask52 + 1) - m.q)),
        reciprocal(broadcast(m.reciprocal)),
        reciprocal_low(broadcast(m.reciprocal_low)),
        mask(broadcast(kMask52)) {}

  THEX_INLINE Vector times(u64 k) const { return _mm512_mullo_epi64(q, broadcast(k)); }

  // y * w in [0, 2q), modulo 2^52.
  THEX_INLINE Vector mul(Vector y, Vector w, Vector w_quotient) const {
    const Vector quotient = _mm512_madd52hi_epu64(zero(), y, w_quotient);
    return _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(zero(), y, w), quotient, minus_q);
  }
  // Any value below 2^52 -> [0, 2q), modulo 2^52.
  THEX_INLINE Vector reduce(Vector x) const {
    return _mm512_madd52lo_epu64(x, _mm512_madd52hi_epu64(zero(), x, reciprocal), minus_q);
  }
  // [0, 2q) modulo 2^52 -> [0, q).
  THEX_INLINE Vector canonical(Vector x) const {
    x = _mm512_and_si512(x, mask);
    return _mm512_min_epu64(x, _mm512_sub_epi64(x, q));
  }
  // The Shoup quotient of w, or one less: two multiplications cost less than reading it from a table where every lane
  // has its own factor. The strict variant needs the exact one.
  THEX_INLINE Vector quotient_of(Vector w) const {
    return _mm512_madd52hi_epu64(_mm512_madd52lo_epu64(zero(), w, reciprocal), w, reciprocal_low);
  }

  // Cooley-Tukey: (x, y) -> (x + wy, x - wy).
  THEX_INLINE void forward(Vector& x, Vector& y, Vector w, Vector w_quotient, Vector two_q) const {
    const Vector product = mul(y, w, w_quotient);
    if constexpr (kLazy) {
      y = _mm512_sub_epi64(x, product);
      x = _mm512_add_epi64(x, product);
    } else {
      x = reduce(x);
      y = _mm512_sub_epi64(_mm512_add_epi64(x, two_q), product);
      x = _mm512_add_epi64(x, product);
    }
  }

  // Gentleman-Sande: (x, y) -> (x + y, (x - y) w). offset: a multiple of q that y does not exceed. The sum is not
  // reduced.
  THEX_INLINE void inverse(Vector& x, Vector& y, Vector w, Vector w_quotient, Vector offset) const {
    const Vector difference = _mm512_sub_epi64(_mm512_add_epi64(x, offset), y);
    x = _mm512_add_epi64(x, y);
    y = mul(difference, w, w_quotient);
  }

  const Vector q, minus_q, reciprocal, reciprocal_low, mask;
};

// The factors of K fused stages below `node`: stage s has 2^s of them, (node << s) + b. Stored at [2^s - 1 + b].
template <int K>
struct Factors {
  THEX_INLINE Factors(const NttData& data, std::size_t node) {
    THEX_UNROLL for (int s = 0; s < K; ++s) {
      THEX_UNROLL for (int b = 0; b < (1 << s); ++b) {
        const std::size_t i = (node << s) + static_cast<std::size_t>(b);
        w[(1 << s) - 1 + b] = broadcast(data.roots[i]);
        quotient[(1 << s) - 1 + b] = broadcast(data.quotients[i]);
      }
    }
  }
  Vector w[(1 << K) - 1], quotient[(1 << K) - 1];
};

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
  const Vector two_q = field.times(2), offset = field.times(kOffset);
  for (std::size_t j = 0; j < t; j += 8) {
    Vector v[1 << K];
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = load(a + static_cast<std::size_t>(k) * t + j);
    forward_stages<K, kLazy, kFirst>(v, field, factors, two_q, offset);
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) store(a + static_cast<std::size_t>(k) * t + j, v[k]);
  }
}

// Lane orders of the last three stages on 16 values e0..e15 (two vectors), as written beside each step below.
struct LaneFactors {
  Vector four, two, one;
};

THEX_INLINE LaneFactors forward_lane_factors(const u64* table, std::size_t node, std::size_t pair) {
  const Vector halves =
      _mm512_castsi128_si512(_mm_load_si128(reinterpret_cast<const __m128i*>(table + (node << 3) + 2 * pair)));
  const Vector quarters =
      _mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(table + (node << 4) + 4 * pair)));
  const Vector ones = load(table + (node << 5) + 8 * pair);
  return {_mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1), halves),
          _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 2, 2, 1, 1, 3, 3), quarters),
          _mm512_shuffle_i64x2(ones, ones, 0xd8)};
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
  const Vector two_q = field.times(2), offset = field.times(kOffset);
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

// K inverse stages; inputs and outputs in [0, 2q) modulo 2^52, or [0, q) after the last stage of all (kLast).
template <int K, bool kLazy, bool kLast>
THEX_INLINE void inverse_stages(Vector (&v)[1 << K], const Field<kLazy>& field, const Factors<K>& f,
                                const Vector (&offsets)[4], Vector n_inverse, Vector n_inverse_quotient) {
  THEX_UNROLL for (int s = K - 1; s >= 0; --s) {
    const int half = 1 << (K - s - 1);
    const Vector offset = offsets[kLazy ? K - 1 - s : 0];  // lazy: sums double from stage to stage
    THEX_UNROLL for (int b = 0; b < (1 << s); ++b) {
      THEX_UNROLL for (int j = 0; j < half; ++j) {
        const int x = 2 * half * b + j, i = (1 << s) - 1 + b;
        field.inverse(v[x], v[x + half], f.w[i], f.quotient[i], offset);
        if constexpr (!kLazy) {
          if (!(kLast && s == 0)) v[x] = field.reduce(v[x]);
        }
      }
    }
  }
  if constexpr (kLast) {
    THEX_UNROLL for (int k = 0; k < (1 << K) / 2; ++k) v[k] = field.mul(v[k], n_inverse, n_inverse_quotient);
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = field.canonical(v[k]);
  } else if constexpr (kLazy) {
    THEX_UNROLL for (int k = 0; k < (1 << K) / 2; ++k) v[k] = field.reduce(v[k]);
  }
}

template <int K, bool kLazy, bool kLast>
void inverse_pass(u64* a, std::size_t t, std::size_t node, const NttData& data) {
  const Field<kLazy> field(data.modulus);
  Factors<K> factors(data, node);
  if constexpr (kLast) {
    factors.w[0] = broadcast(data.last_root.value);
    factors.quotient[0] = broadcast(data.last_root.quotient);
  }
  const Vector offsets[4] = {field.times(2), field.times(4), field.times(8), field.times(16)};
  const Vector n_inverse = broadcast(data.n_inverse.value), n_inverse_quotient = broadcast(data.n_inverse.quotient);
  for (std::size_t j = 0; j < t; j += 8) {
    Vector v[1 << K];
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = load(a + static_cast<std::size_t>(k) * t + j);
    inverse_stages<K, kLazy, kLast>(v, field, factors, offsets, n_inverse, n_inverse_quotient);
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) store(a + static_cast<std::size_t>(k) * t + j, v[k]);
  }
}

THEX_INLINE LaneFactors inverse_lane_factors(const u64* table, std::size_t node, std::size_t pair) {
  LaneFactors f = forward_lane_factors(table, node, pair);
  f.four = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4), f.four);
  return f;
}

// The first six inverse stages on 64 consecutive values in [0, q); kLast for a ring of just 64.
template <bool kLazy, bool kLast>
THEX_INLINE void inverse_first(u64* a, std::size_t node, const NttData& data, const Field<kLazy>& field,
                               const Vector (&offsets)[4]) {
  Vector v[8];
  THEX_UNROLL for (int p = 0; p < 4; ++p) {
    const LaneFactors w = inverse_lane_factors(data.roots, node, static_cast<std::size_t>(p));
    LaneFactors quotient;
    if constexpr (kLazy) {
      quotient = {field.quotient_of(w.four), field.quotient_of(w.two), field.quotient_of(w.one)};
    } else {
      quotient = inverse_lane_factors(data.quotients, node, static_cast<std::size_t>(p));
    }
    const Vector low = load(a + 16 * p), high = load(a + 16 * p + 8);
    // Single values: x = e0 e2 e8 e10 e4 e6 e12 e14, y the odd ones.
    Vector x = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 2, 8, 10, 4, 6, 12, 14), high);
    Vector y = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(1, 3, 9, 11, 5, 7, 13, 15), high);
    field.inverse(x, y, w.one, quotient.one, offsets[0]);
    if constexpr (!kLazy) x = field.reduce(x);
    // Pairs: s = e01 e89 e45 e12,13, d = e23 e10,11 e67 e14,15.
    Vector s = _mm512_unpacklo_epi64(x, y);
    Vector d = _mm512_unpackhi_epi64(x, y);
    field.inverse(s, d, w.two, quotient.two, offsets[kLazy ? 1 : 0]);
    if constexpr (!kLazy) s = field.reduce(s);
    // Halves: x = e01 e89 e23 e10,11, y = e45 e12,13 e67 e14,15.
    x = _mm512_shuffle_i64x2(s, d, 0x44);
    y = _mm512_shuffle_i64x2(s, d, 0xee);
    field.inverse(x, y, w.four, quotient.four, offsets[kLazy ? 2 : 0]);
    x = field.reduce(x);
    v[2 * p] = _mm512_shuffle_i64x2(x, y, 0x88);
    v[2 * p + 1] = _mm512_shuffle_i64x2(x, y, 0xdd);
  }
  Factors<3> factors(data, node);
  if constexpr (kLast) {
    factors.w[0] = broadcast(data.last_root.value);
    factors.quotient[0] = broadcast(data.last_root.quotient);
  }
  inverse_stages<3, kLazy, kLast>(v, field, factors, offsets, broadcast(data.n_inverse.value),
                                  broadcast(data.n_inverse.quotient));
  THEX_UNROLL for (int k = 0; k < 8; ++k) store(a + 8 * k, v[k]);
}

template <bool kLazy, bool kLast>
void inverse_block(u64* a, int log_n, std::size_t node, const NttData& data) {
  const std::size_t n = std::size_t{1} << log_n;
  const int last = log_n == 10 ? 2 : log_n - 6 > 3 ? 3 : log_n - 6;  // stages of the last pass
  const int middle = log_n - 6 - last;
  const std::size_t part = n >> last;
  const Field<kLazy> field(data.modulus);
  const Vector offsets[4] = {field.times(2), field.times(4), field.times(8), field.times(16)};
  for (std::size_t i = 0; i < (std::size_t{1} << last); ++i) {
    u64* const b = a + i * part;
    const std::size_t child = (node << last) + i;
    for (std::size_t j = 0; j < part / 64; ++j) {
      const std::size_t leaf = (child << middle) + j;
      if (kLast && last == 0) {
        inverse_first<kLazy, true>(b + 64 * j, leaf, data, field, offsets);
      } else {
        inverse_first<kLazy, false>(b + 64 * j, leaf, data, field, offsets);
      }
    }
    switch (middle) {
      case 1:
        inverse_pass<1, kLazy, false>(b, part >> 1, child, data);
        break;
      case 2:
        inverse_pass<2, kLazy, false>(b, part >> 2, child, data);
        break;
      case 3:
        inverse_pass<3, kLazy, false>(b, part >> 3, child, data);
        break;
      default:
        break;
    }
  }
  switch (last) {
    case 1:
      inverse_pass<1, kLazy, kLast>(a, part, node, data);
      break;
    case 2:
      inverse_pass<2, kLazy, kLast>(a, part, node, data);
      break;
    case 3:
      inverse_pass<3, kLazy, kLast>(a, part, node, data);
      break;
    default:
      break;
  }
}

template <bool kLazy>
void inverse(u64* a, const NttData& data) {
  const int log_n = __builtin_ctzll(data.n);
  const int top = log_n - kBlockLog;
  constexpr std::size_t kBlock = std::size_t{1} << kBlockLog;
  if (top <= 0) {
    inverse_block<kLazy, true>(a, log_n, 1, data);
    return;
  }
  const std::size_t blocks = std::size_t{1} << top;
  for (std::size_t i = 0; i < blocks; ++i) inverse_block<kLazy, false>(a + i * kBlock, kBlockLog, blocks + i, data);
  switch (top) {
    case 1:
      inverse_pass<1, kLazy, true>(a, kBlock, 1, data);
      break;
    case 2:
      inverse_pass<2, kLazy, true>(a, kBlock, 1, data);
      break;
    case 3:
      inverse_pass<3, kLazy, true>(a, kBlock, 1, data);
      break;
    default:
      inverse_pass<4, kLazy, true>(a, kBlock, 1, data);
      break;
  }
}

}  // namespace

void ntt_forward(u64* a, const NttData& data) {
  data.modulus.q <= kLazyLimit ? forward<true>(a, data) : forward<false>(a, data);
}

void ntt_inverse(u64* a, const NttData& data) {
  data.modulus.q <= kLazyLimit ? inverse<true>(a, data) : inverse<false>(a, data);
}

}  // namespace thex::ring::ifma
