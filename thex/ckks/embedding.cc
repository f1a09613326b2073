#include "thex/ckks/embedding.h"

#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

namespace thex::ckks {
namespace {

void bit_reverse(double* re, double* im, std::size_t h) {
  for (std::size_t i = 1, j = 0; i < h; ++i) {
    std::size_t bit = h >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      std::swap(re[i], re[j]);
      std::swap(im[i], im[j]);
    }
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

Embedding::Embedding(int max_log_h) {
  const std::size_t size = std::size_t{1} << max_log_h;
  cosines_.resize(size);
  sines_.resize(size);
  for (std::size_t half = 1; half < size; half *= 2) {
    const std::uint64_t mask = 8 * half - 1;  // zeta_{2 half} has order 8 half
    std::uint64_t power = 1;
    for (std::size_t j = 0; j < half; ++j) {
      const long double angle =
          std::numbers::pi_v<long double> * static_cast<long double>(power) / static_cast<long double>(4 * half);
      cosines_[half + j] = static_cast<double>(std::cos(angle));
      sines_[half + j] = static_cast<double>(std::sin(angle));
      power = (power * 5) & mask;
    }
  }
}

void Embedding::values_from_coefficients(double* re, double* im, std::size_t h) const {
  bit_reverse(re, im, h);
  for (std::size_t half = 1; half < h; half *= 2) {
    forward_stage(re, im, h, half, cosines_.data() + half, sines_.data() + half);
  }
}

void Embedding::coefficients_from_values(double* re, double* im, std::size_t h) const {
  for (std::size_t half = h / 2; half >= 1; half /= 2) {
    inverse_stage(re, im, h, half, cosines_.data() + half, sines_.data() + half);
  }
  bit_reverse(re, im, h);
  const double factor = 1.0 / static_cast<double>(h);
  for (std::size_t i = 0; i < h; ++i) {
    re[i] *= factor;
    im[i] *= factor;
  }
}

}  // namespace thex::ckks
