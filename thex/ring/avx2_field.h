// Internal: arithmetic modulo q < 2^50 on four doubles, for the files compiled with AVX2 and FMA only.
//
// Residues are signed integers held exactly (below 2^53 in size). A product y * w is split into h + l without error by
// one fused multiply-subtract; h - b q with b = round(h / q) is exact too. h / q carries three roundings, so b may be
// off: with |y| <= k q and 0 <= w < q the result is at most (1/2 + 3k / 8) q in size. Every stage of the transforms
// keeps k <= 4.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define THEX_INLINE inline __attribute__((always_inline))

namespace thex::ring::avx2 {
namespace {

using u64 = std::uint64_t;
using Ints = __m256i;
using Reals = __m256d;

THEX_INLINE Ints load(const u64* p) { return _mm256_load_si256(reinterpret_cast<const Ints*>(p)); }
THEX_INLINE void store(u64* p, Ints v) { _mm256_store_si256(reinterpret_cast<Ints*>(p), v); }
THEX_INLINE Reals load_reals(const u64* p) { return _mm256_castsi256_pd(load(p)); }
THEX_INLINE void store_reals(u64* p, Reals v) { store(p, _mm256_castpd_si256(v)); }
THEX_INLINE Ints broadcast(u64 x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
THEX_INLINE Reals broadcast_real(u64 x) { return _mm256_set1_pd(static_cast<double>(static_cast<long long>(x))); }

// Integers in [0, 2^52) <-> doubles, through the mantissa of 2^52 + x.
THEX_INLINE Reals to_reals(Ints x) {
  const Reals two52 = _mm256_set1_pd(0x1p52);
  return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(x, _mm256_castpd_si256(two52))), two52);
}
THEX_INLINE Ints to_ints(Reals x) {
  const Reals two52 = _mm256_set1_pd(0x1p52);
  return _mm256_castpd_si256(_mm256_xor_pd(_mm256_add_pd(x, two52), two52));
}

struct Field {
  explicit THEX_INLINE Field(u64 modulus)
      : q(broadcast_real(modulus)), inverse(_mm256_div_pd(_mm256_set1_pd(1), broadcast_real(modulus))) {}

  static THEX_INLINE Reals nearest(Reals x) {
    return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }

  THEX_INLINE Reals mul(Reals y, Reals w) const {
    const Reals high = _mm256_mul_pd(y, w);
    const Reals low = _mm256_fmsub_pd(y, w, high);
    const Reals quotient = nearest(_mm256_mul_pd(high, inverse));
    return _mm256_add_pd(_mm256_fnmadd_pd(quotient, q, high), low);
  }
  // Any integer below 2^53 in size -> within q / 2 (and one part in 2^50).
  THEX_INLINE Reals reduce(Reals x) const { return _mm256_fnmadd_pd(nearest(_mm256_mul_pd(x, inverse)), q, x); }
  // (-q, q) -> [0, q) as an integer.
  THEX_INLINE Ints canonical(Reals x) const {
    const Reals negative = _mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_LT_OQ);
    return to_ints(_mm256_add_pd(x, _mm256_and_pd(negative, q)));
  }

  const Reals q, inverse;
};

}  // namespace
}  // namespace thex::ring::avx2
