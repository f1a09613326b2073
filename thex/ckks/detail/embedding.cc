#include "thex/ckks/detail/embedding.h"

#include <cmath>
#include <cstdint>
#include <numbers>

namespace thex::ckks {
namespace {

ring::FftTables view(const ring::Buffer& tables, std::size_t size) {
  const auto* const data = reinterpret_cast<const double*>(tables.data());
  return {data, data + size, data + 2 * size, data + 3 * size};
}

}  // namespace

Embedding::Embedding(int max_log_h, const ring::Kernels& kernels)
    : kernels_(&kernels), size_(std::size_t{1} << max_log_h) {
  tables_ = ring::Buffer(4 * size_);
  double* const data = new (tables_.data()) double[4 * size_]();
  for (std::size_t half = 1; half < size_; half *= 2) {
    std::uint64_t power = 1;  // 5^j modulo the order
    for (std::size_t j = 0; j < half; ++j) {
      const long double angle =
          std::numbers::pi_v<long double> * static_cast<long double>(power) / static_cast<long double>(4 * half);
      const long double c = std::cos(angle), s = std::sin(angle);
      data[half + j] = static_cast<double>(c);
      data[size_ + half + j] = static_cast<double>(s);
      if (j < half / 2) {
        data[2 * size_ + half / 2 + j] = static_cast<double>((4 * c * c - 3) * c);
        data[3 * size_ + half / 2 + j] = static_cast<double>((3 - 4 * s * s) * s);
      }
      power = (power * 5) & (8 * half - 1);
    }
  }
}

void Embedding::values_from_coefficients(double* dst_re, double* dst_im, const double* re, const double* im,
                                         std::size_t h) const {
  kernels_->fft_forward(dst_re, dst_im, re, im, h, view(tables_, size_));
}

void Embedding::scaled_coefficients_from_values(double* dst_re, double* dst_im, double* re, double* im,
                                                std::size_t h) const {
  kernels_->fft_inverse(dst_re, dst_im, re, im, h, view(tables_, size_));
}

}  // namespace thex::ckks
