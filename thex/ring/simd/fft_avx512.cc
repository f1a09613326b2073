// The complex transform and the reduction of real coefficients on eight doubles.
#include <immintrin.h>

#include "thex/ring/simd/avx512ifma.h"
#include "thex/ring/simd/fft_lanes.h"

namespace thex::ring {
namespace {

struct Lanes8 {
  static constexpr std::size_t kLanes = 8;
  using Vector = __m512d;
  static THEX_FFT_INLINE Vector load(const double* p) { return _mm512_load_pd(p); }
  static THEX_FFT_INLINE void store(double* p, Vector v) { _mm512_store_pd(p, v); }
  static THEX_FFT_INLINE Vector broadcast(double x) { return _mm512_set1_pd(x); }
  static THEX_FFT_INLINE Vector add(Vector a, Vector b) { return _mm512_add_pd(a, b); }
  static THEX_FFT_INLINE Vector sub(Vector a, Vector b) { return _mm512_sub_pd(a, b); }
  static THEX_FFT_INLINE Vector mul(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
  static THEX_FFT_INLINE Vector fmadd(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }
  static THEX_FFT_INLINE Vector fmsub(Vector a, Vector b, Vector c) { return _mm512_fmsub_pd(a, b, c); }
  static THEX_FFT_INLINE void transpose(Vector (&v)[8]) {
    Vector pair[8], quad[8];
    THEX_FFT_UNROLL for (int k = 0; k < 8; k += 2) {  // 2 x 2 blocks: lanes 2c, 2c + 1 of rows k, k + 1
      pair[k] = _mm512_unpacklo_pd(v[k], v[k + 1]);
      pair[k + 1] = _mm512_unpackhi_pd(v[k], v[k + 1]);
    }
    THEX_FFT_UNROLL for (int k = 0; k < 8; k += 4) {
      THEX_FFT_UNROLL for (int odd = 0; odd < 2; ++odd) {
        // Columns odd, odd + 4 and odd + 2, odd + 6 of rows k .. k + 3.
        quad[k + odd] = _mm512_shuffle_f64x2(pair[k + odd], pair[k + 2 + odd], 0x88);
        quad[k + 2 + odd] = _mm512_shuffle_f64x2(pair[k + odd], pair[k + 2 + odd], 0xdd);
      }
    }
    THEX_FFT_UNROLL for (int c = 0; c < 4; ++c) {
      v[c] = _mm512_shuffle_f64x2(quad[c], quad[c + 4], 0x88);
      v[c + 4] = _mm512_shuffle_f64x2(quad[c], quad[c + 4], 0xdd);
    }
  }
};

}  // namespace

namespace ifma {

void fft_inverse(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& tables) {
  fft_inverse_lanes<Lanes8>(dst_re, dst_im, re, im, h, tables);
}

void fft_forward(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                 const FftTables& tables) {
  fft_forward_lanes<Lanes8>(dst_re, dst_im, re, im, h, tables);
}

double largest_magnitude(const double* src, std::size_t n) {
  // As integers, so that an infinity or a NaN is larger than every number.
  const __m512i magnitude = _mm512_set1_epi64(0x7fffffffffffffff);
  __m512i largest[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  for (std::size_t i = 0; i < n; i += 32) {
    THEX_FFT_UNROLL for (int k = 0; k < 4; ++k) {
      largest[k] = _mm512_max_epi64(largest[k], _mm512_and_si512(magnitude, _mm512_load_si512(src + i + 8 * k)));
    }
  }
  const long long bits = _mm512_reduce_max_epi64(
      _mm512_max_epi64(_mm512_max_epi64(largest[0], largest[1]), _mm512_max_epi64(largest[2], largest[3])));
  return _mm_cvtsd_f64(_mm_castsi128_pd(_mm_cvtsi64_si128(bits)));
}

void residues_of_reals(std::uint64_t* dst, const double* src, bool below_q, std::size_t n, std::uint64_t q) {
  const __m512d shift = _mm512_set1_pd(0x1.8p52);  // leaves the rounded integer in the low bits
  const __m512i shift_bits = _mm512_castpd_si512(shift), modulus = _mm512_set1_epi64(static_cast<long long>(q));
  const __m512d real_q = _mm512_set1_pd(static_cast<double>(q)), inverse = _mm512_set1_pd(1 / static_cast<double>(q));
  const auto write = [&](std::size_t i, __m512d shifted) {
    const __m512i x = _mm512_sub_epi64(_mm512_castpd_si512(shifted), shift_bits);
    _mm512_store_si512(dst + i, _mm512_min_epu64(x, _mm512_add_epi64(x, modulus)));
  };
  if (below_q) {
    for (std::size_t i = 0; i < n; i += 8) write(i, _mm512_add_pd(_mm512_load_pd(src + i), shift));
    return;
  }
  for (std::size_t i = 0; i < n; i += 8) {
    const __m512d x = _mm512_sub_pd(_mm512_add_pd(_mm512_load_pd(src + i), shift), shift);
    const __m512d quotient =
        _mm512_roundscale_pd(_mm512_mul_pd(x, inverse), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    write(i, _mm512_add_pd(_mm512_fnmadd_pd(quotient, real_q, x), shift));
  }
}

}  // namespace ifma
}  // namespace thex::ring
