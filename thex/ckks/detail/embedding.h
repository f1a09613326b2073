// The canonical embedding in double precision: polynomials with 2H real coefficients modulo Y^(2H) + 1 <-> their values
// at zeta^(5^i), zeta = exp(i pi / 2H), i < H.
//
// Since zeta^(H 5^i) = i, coefficients j and j + H act together as the complex number w_j = m_j + i m_(j+H), and the
// values are sum_j w_j zeta^(j 5^i): a transform of H points by butterflies, because squaring zeta^(5^i) gives
// the points of the half-sized transform and index i + H/2 gives -zeta^(5^i). The butterflies are kernels (ring/fft.h).
#pragma once

#include <cstddef>

#include "thex/ring/kernels.h"
#include "thex/ring/memory_pool.h"

namespace thex::ckks {

class Embedding {
 public:
  // Tables for all H = 2^0 .. 2^max_log_h, computed in extended precision.
  explicit Embedding(int max_log_h, const ring::Kernels& kernels = ring::kernels());

  // Split real and imaginary parts of length h (a power of two up to 2^max_log_h), 64-byte aligned from h = 8 on; the
  // destination overlaps nothing.
  void values_from_coefficients(double* dst_re, double* dst_im, const double* re, const double* im,
                                std::size_t h) const;
  // The coefficients times h, a factor that the caller can give to its scale. Overwrites re and im.
  void scaled_coefficients_from_values(double* dst_re, double* dst_im, double* re, double* im, std::size_t h) const;

 private:
  const ring::Kernels* kernels_;
  // cosines, sines, and those of the third powers, 2^max_log_h each: ring/fft.h.
  ring::Buffer tables_;
  std::size_t size_;
};

}  // namespace thex::ckks
