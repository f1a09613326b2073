// The complex transform and the reduction of real coefficients on four doubles.
#include <immintrin.h>

#include "thex/ring/simd/avx2.h"
#include "thex/ring/simd/fft_lanes.h"

namespace thex::ring {
namespace {

struct Lanes4 {
  static constexpr std::size_t kLanes = 4;
  using Vector = __m256d;
  static THEX_FFT_INLINE Vector load(const double* p) { return _mm256_load_pd(p); }
  static THEX_FFT_INLINE void store(double* p, Vector v) { _mm256_store_pd(p, v); }
  static THEX_FFT_INLINE Vector broadcast(double x) { return _mm256_set1_pd(x); }
  static THEX_FFT_INLINE Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
  static THEX_FFT_INLINE Vector sub(Vector a, Vector b) { return _mm256_sub_pd(a, b); }
  static THEX_FFT_INLINE Vector mul(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
  static THEX_FFT_INLINE Vector fmadd(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
  static THEX_FFT_INLINE Vector fmsub(Vector a, Vector b, Vector c) { return _mm256_fmsub_pd(a, b, c); }
  static THEX_FFT_INLINE void transpose(Vector (&v)[4]) {
    const Vector a = _mm256_unpacklo_pd(v[0], v[1]), b = _mm256_unpackhi_pd(v[0], v[1]);
    const Vector c = _mm256_unpacklo_pd(v[2], v[3]), d = _mm256_unpackhi_pd(v[2], v[3]);
    v[0] = _mm256_permute2f128_pd(a, c, 0x20);
    v[1] = _mm256_permute2f128_pd(b, d, 0x20);
    v[2] = _mm256_permute2f128_pd(a, c, 0x31);
    v[3] = _mm256_permute2f128_pd(b, d, 0x31);
  }
};

}  // namespace

namespace avx2 {

void fft_inverse(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& tables) {
  fft_inverse_lanes<Lanes4>(dst_re, dst_im, re, im, h, tables);
}

void fft_forward(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                 const FftTables& tables) {
  fft_forward_lanes<Lanes4>(dst_re, dst_im, re, im, h, tables);
}

double largest_magnitude(const double* src, std::size_t n) {
  // As integers, so that an infinity or a NaN is larger than every number.
  const __m256i magnitude = _mm256_set1_epi64x(0x7fffffffffffffff);
  __m256i largest = _mm256_setzero_si256();
  for (std::size_t i = 0; i < n; i += 4) {
    const __m256i x = _mm256_and_si256(magnitude, _mm256_load_si256(reinterpret_cast<const __m256i*>(src + i)));
    largest = _mm256_blendv_epi8(largest, x, _mm256_cmpgt_epi64(x, largest));
  }
  alignas(32) long long lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), largest);
  for (int k = 1; k < 4; ++k) lanes[0] = lanes[k] > lanes[0] ? lanes[k] : lanes[0];
  return _mm_cvtsd_f64(_mm_castsi128_pd(_mm_cvtsi64_si128(lanes[0])));
}

void residues_of_reals(std::uint64_t* dst, const double* src, bool below_q, std::size_t n, std::uint64_t q) {
  const __m256d shift = _mm256_set1_pd(0x1.8p52);  // leaves the rounded integer in the low bits
  const __m256i shift_bits = _mm256_castpd_si256(shift), modulus = _mm256_set1_epi64x(static_cast<long long>(q));
  const __m256d real_q = _mm256_set1_pd(static_cast<double>(q)), inverse = _mm256_set1_pd(1 / static_cast<double>(q));
  const auto write = [&](std::size_t i, __m256d shifted) {
    const __m256i x = _mm256_sub_epi64(_mm256_castpd_si256(shifted), shift_bits);
    const __m256i negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), x);
    _mm256_store_si256(reinterpret_cast<__m256i*>(dst + i), _mm256_add_epi64(x, _mm256_and_si256(negative, modulus)));
  };
  if (below_q) {
    for (std::size_t i = 0; i < n; i += 4) write(i, _mm256_add_pd(_mm256_load_pd(src + i), shift));
    return;
  }
  for (std::size_t i = 0; i < n; i += 4) {
    const __m256d x = _mm256_sub_pd(_mm256_add_pd(_mm256_load_pd(src + i), shift), shift);
    const __m256d quotient = _mm256_round_pd(_mm256_mul_pd(x, inverse), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    write(i, _mm256_add_pd(_mm256_fnmadd_pd(quotient, real_q, x), shift));
  }
}

}  // namespace avx2
}  // namespace thex::ring
