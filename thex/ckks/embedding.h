// The canonical embedding in double precision: polynomials with 2H real coefficients modulo Y^(2H) + 1 <-> their values
// at zeta^(5^i), zeta = exp(i pi / 2H), i < H.
//
// Since zeta^(H 5^i) = i, coefficients j and j + H act together as the complex number w_j = m_j + i m_(j+H), and the
// values are sum_j w_j zeta^(j 5^i): a transform of H points by radix-2 butterflies, because squaring zeta^(5^i) gives
// the points of the half-sized transform and index i + H/2 gives -zeta^(5^i).
#pragma once

#include <cstddef>
#include <vector>

namespace thex::ckks {

class Embedding {
 public:
  // Tables for all H = 2^0 .. 2^max_log_h, computed in extended precision.
  explicit Embedding(int max_log_h);

  // In place on split real and imaginary parts of length h (a power of two up to 2^max_log_h).
  void values_from_coefficients(double* re, double* im, std::size_t h) const;
  void coefficients_from_values(double* re, double* im, std::size_t h) const;

 private:
  // For each length 2 l: zeta_{2l}^(5^j), j < l, at offset l.
  std::vector<double> cosines_, sines_;
};

}  // namespace thex::ckks
