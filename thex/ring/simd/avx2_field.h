// Internal: arithmetic modulo q < 2^50 on four doubles, for the files compiled with AVX2 and FMA only.
//
// Residues are signed integers held exactly (below 2^53 in size). A product y * w is split into h + l without error by
// one fused multiply-subtract; h - b q with b = round(y w / q) is exact too. The quotient w / q carries two roundings,
// so b may be off: with |y| <= k q and 0 <= w < q the result is at most (1/2 + k q / 2^52) q in size. Rounding to an
// integer is adding and subtracting 1.5 * 2^52, for less than a rounding instruction, so the quotient must be below
// 2^51.
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
// Integers in [-2^51, 2^51).
THEX_INLINE Reals signed_to_reals(Ints x) {
  const Reals middle = _mm256_set1_pd(0x1.8p52);
  return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_add_epi64(x, _mm256_castpd_si256(middle))), middle);
}
THEX_INLINE Ints to_ints(Reals x) {
  const Reals two52 = _mm256_set1_pd(0x1p52);
  return _mm256_castpd_si256(_mm256_xor_pd(_mm256_add_pd(x, two52), two52));
}

// A constant factor w in [0, q) and w / q.
struct Factor {
  Reals value, quotient;
};

struct Field {
  explicit THEX_INLINE Field(u64 modulus)
      : q(broadcast_real(modulus)),
        inverse(_mm256_div_pd(_mm256_set1_pd(1), broadcast_real(modulus))),
        rounder(_mm256_set1_pd(0x1.8p52)) {}

  THEX_INLINE Factor factor(Reals w) const { return {w, _mm256_mul_pd(w, inverse)}; }
  static THEX_INLINE Reals nearest(Reals x) {
    return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // The integer next to x * y, which is below 2^51 in size.
  THEX_INLINE Reals round_product(Reals x, Reals y) const {
    return _mm256_sub_pd(_mm256_fmadd_pd(x, y, rounder), rounder);
  }
  THEX_INLINE Reals mul(Reals y, Factor w) const {
    const Reals quotient = round_product(y, w.quotient);
    const Reals high = _mm256_mul_pd(y, w.value);
    const Reals low = _mm256_fmsub_pd(y, w.value, high);
    return _mm256_add_pd(_mm256_fnmadd_pd(quotient, q, high), low);
  }
  // The same where w is not constant: three roundings, at most (1/2 + 3/8 k) q.
  THEX_INLINE Reals mul(Reals y, Reals w) const {
    const Reals high = _mm256_mul_pd(y, w);
    const Reals low = _mm256_fmsub_pd(y, w, high);
    return _mm256_add_pd(_mm256_fnmadd_pd(round_product(high, inverse), q, high), low);
  }
  // Any integer below 2^53 in size -> within q / 2 (and one part in 2^50).
  THEX_INLINE Reals reduce(Reals x) const { return _mm256_fnmadd_pd(round_product(x, inverse), q, x); }
  // (-q, q) -> [0, q) as an integer.
  THEX_INLINE Ints canonical(Reals x) const {
    const Reals negative = _mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_LT_OQ);
    return to_ints(_mm256_add_pd(x, _mm256_and_pd(negative, q)));
  }

  const Reals q, inverse, rounder;
};

}  // namespace
}  // namespace thex::ring::avx2
