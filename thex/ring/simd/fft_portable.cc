// The complex transform and the reduction of real coefficients in plain C++: one stage at a time.
#include <bit>
#include <cmath>
#include <utility>

#include "thex/ring/simd/kernel_tables.h"

namespace thex::ring::portable {
namespace {

void reversed_copy(double* dst, const double* src, std::size_t h) {
  for (std::size_t i = 0, j = 0; i < h; ++i) {
    dst[j] = src[i];
    std::size_t bit = h >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
  }
}

// One stage of butterflies over blocks of 2 * half: (u, v) -> (u + w v, u - w v).
void forward_stage(double* __restrict re, double* __restrict im, std::size_t h, std::size_t half,
                   const double* __restrict c, const double* __restrict s) {
  for (std::size_t block = 0; block < h; block += 2 * half) {
    double* const re0 = re + block;
    double* const im0 = im + block;
    double* const re1 = re0 + half;
    double* const im1 = im0 + half;
    for (std::size_t j = 0; j < half; ++j) {
      const double vr = re1[j] * c[j] - im1[j] * s[j], vi = re1[j] * s[j] + im1[j] * c[j];
      const double ur = re0[j], ui = im0[j];
      re0[j] = ur + vr;
      im0[j] = ui + vi;
      re1[j] = ur - vr;
      im1[j] = ui - vi;
    }
  }
}

// Its inverse without the factor 1/2: (u, v) -> (u + v, (u - v) / w).
void inverse_stage(double* __restrict re, double* __restrict im, std::size_t h, std::size_t half,
                   const double* __restrict c, const double* __restrict s) {
  for (std::size_t block = 0; block < h; block += 2 * half) {
    double* const re0 = re + block;
    double* const im0 = im + block;
    double* const re1 = re0 + half;
    double* const im1 = im0 + half;
    for (std::size_t j = 0; j < half; ++j) {
      const double ur = re0[j], ui = im0[j], vr = re1[j], vi = im1[j];
      const double dr = ur - vr, di = ui - vi;
      re0[j] = ur + vr;
      im0[j] = ui + vi;
      re1[j] = dr * c[j] + di * s[j];
      im1[j] = di * c[j] - dr * s[j];
    }
  }
}

}  // namespace

void fft_inverse(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& t) {
  for (std::size_t half = h / 2; half >= 1; half /= 2) inverse_stage(re, im, h, half, t.cosines + half, t.sines + half);
  reversed_copy(dst_re, re, h);
  reversed_copy(dst_im, im, h);
}

void fft_forward(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                 const FftTables& t) {
  reversed_copy(dst_re, re, h);
  reversed_copy(dst_im, im, h);
  for (std::size_t half = 1; half < h; half *= 2) {
    forward_stage(dst_re, dst_im, h, half, t.cosines + half, t.sines + half);
  }
}

double largest_magnitude(const double* src, std::size_t n) {
  std::uint64_t largest = 0;  // as integers, so that an infinity or a NaN is larger than every number
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(src[i]) & ~(std::uint64_t{1} << 63);
    largest = bits > largest ? bits : largest;
  }
  return std::bit_cast<double>(largest);
}

void residues_of_reals(std::uint64_t* dst, const double* src, double max_abs, std::size_t n, const Modulus& q) {
  const std::uint64_t p = q.value();
  const bool below_q = max_abs + 1 < static_cast<double>(p);
  for (std::size_t i = 0; i < n; ++i) {
    // Adding 1.5 * 2^52 leaves the rounded integer in the low bits.
    const std::uint64_t x = std::bit_cast<std::uint64_t>(src[i] + 0x1.8p52) - std::bit_cast<std::uint64_t>(0x1.8p52);
    dst[i] = below_q ? x + (p & (0 - (x >> 63))) : q.from_signed(static_cast<std::int64_t>(x));
  }
}

}  // namespace thex::ring::portable
