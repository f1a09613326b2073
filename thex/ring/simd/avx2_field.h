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
// Two words each at p and p + 4.
THEX_INLINE Ints load_halves(const u64* p) {
  const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i high = _mm_load_si128(reinterpret_cast<const __m128i*>(p + 4));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}
THEX_INLINE void store_halves(u64* p, Ints v) {
  _mm_store_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(v));
  _mm_store_si128(reinterpret_cast<__m128i*>(p + 4), _mm256_extracti128_si256(v, 1));
}
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
// Residues modulo p -> the integers in (-p/2, p/2]; half = floor(p / 2).
THEX_INLINE Reals centred(Ints x, Ints half, Reals p) {
  const Reals negative = _mm256_castsi256_pd(_mm256_cmpgt_epi64(x, half));
  return _mm256_sub_pd(to_reals(x), _mm256_and_pd(negative, p));
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

// One more product in a sum that nothing is rounded off. Adding x y to a running sum `high`, which begins at 2^52 u for
// a power of two u (see Sum), rounds the product to a multiple of u; this is how much `high` has grown, and what the
// product has more or less, found exactly by one fused multiply-subtract, is summed apart.
THEX_INLINE void add_product(Reals& high, Reals& rest, Reals x, Reals y) {
  const Reals grown = _mm256_fmadd_pd(x, y, high);
  rest = _mm256_add_pd(rest, _mm256_fmsub_pd(x, y, _mm256_sub_pd(grown, high)));
  high = grown;
}

// Binary digits of x > 0.
THEX_INLINE int bits_of(u64 x) { return 64 - __builtin_clzll(x); }

// Sums of `terms` products of non-negative integers, each product below 2^bound <= 2^50 q 2 and to be reduced modulo q:
// `high` stays below 2^53 u, and the rests, at most u / 2 each, sum up to at most 2^52.
struct Sum {
  explicit THEX_INLINE Sum(u64 modulus, int bound) : field(modulus) {
    // u = 2^(bound - 51 + log_terms): then terms * 2^bound and the roundings are below 2^52 u, and the rests reach
    // terms * u / 2 = 2^(bound - 52 + 2 log_terms) at most.
    const int fit = (104 - bound) / 2;
    const int log_terms = fit < 10 ? fit : 10;
    const int unit = bound - 51 + log_terms;
    terms = u64{1} << log_terms;
    start = _mm256_set1_pd(power_of_two(52 + (unit > 0 ? unit : 0)));
  }
  // The sum modulo q, within q / 2 (and one part in 2^40). The quotient by q is below 2^59: it is taken off as a
  // multiple of 2^8 first, within 2^8 q, where the remainder is exact again as a multiple of 2^8 or below 2^53.
  THEX_INLINE Reals reduce(Reals high, Reals rest) const {
    const Reals coarse = _mm256_set1_pd(0x1.8p60);
    const Reals multiple = _mm256_sub_pd(high, start);
    const Reals quotient = _mm256_sub_pd(_mm256_fmadd_pd(multiple, field.inverse, coarse), coarse);
    const Reals near = _mm256_fnmadd_pd(quotient, field.q, multiple);
    const Reals last = field.round_product(_mm256_add_pd(near, rest), field.inverse);
    return _mm256_add_pd(_mm256_fnmadd_pd(last, field.q, near), rest);
  }
  static THEX_INLINE double power_of_two(int exponent) {
    const u64 bits = static_cast<u64>(exponent + 1023) << 52;
    double value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
  }

  const Field field;
  u64 terms;
  Reals start;
};

}  // namespace
}  // namespace thex::ring::avx2
