// Internal: modular arithmetic on eight lanes of 52 bits, for the files compiled with AVX-512 IFMA only.
//
// Lanes hold residues modulo 2^52: the multiplier reads only the low 52 bits, so a lane may carry garbage above them
// until the last reduction masks it away; only the residue's true value has to stay in [0, 2^52).
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "thex/base/sanitizers.h"
#include "thex/ring/simd/avx512ifma.h"

#define THEX_INLINE inline __attribute__((always_inline))
#if THEX_ADDRESS_SANITIZER || THEX_THREAD_SANITIZER
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
constexpr int kBlockLog = 12;  // 2^12 values, 32 KiB, stay in the first-level cache

THEX_INLINE Vector load(const u64* p) { return _mm512_load_si512(p); }
THEX_INLINE void store(u64* p, Vector v) { _mm512_store_si512(p, v); }
THEX_INLINE Vector broadcast(u64 x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
THEX_INLINE Vector zero() { return _mm512_setzero_si512(); }

// Arithmetic of the strict inverse transform (Harvey 2014: Shoup factors, residues below 4q).
struct Field {
  explicit THEX_INLINE Field(const ModulusData& m)
      : q(broadcast(m.q)),
        minus_q(broadcast((kMask52 + 1) - m.q)),
        reciprocal(broadcast(m.reciprocal)),
        mask(broadcast(kMask52)) {}

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
  // Gentleman-Sande: (x, y) -> (x + y, (x - y) w). offset: a multiple of q that y does not exceed.
  THEX_INLINE void inverse(Vector& x, Vector& y, Vector w, Vector w_quotient, Vector offset) const {
    const Vector difference = _mm512_sub_epi64(_mm512_add_epi64(x, offset), y);
    x = _mm512_add_epi64(x, y);
    y = mul(difference, w, w_quotient);
  }

  const Vector q, minus_q, reciprocal, mask;
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

}  // namespace
}  // namespace thex::ring::ifma
