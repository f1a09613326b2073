// Internal to kernels.h: data of the complex transform behind CKKS encoding (ckks/detail/embedding.h). Plain data only,
// so that the files compiled for one instruction set may include it (the reason is in simd/avx512ifma.h).
//
// The transform of h points takes log2(h) stages of butterflies over blocks of 2 * half points, half = 1, 2, .. h / 2;
// point j of a block has the factor w = zeta^(5^j) with zeta of order 8 * half. Two stages make one step of radix 4:
// their factors are w, w^2 and, since 5^(half/2) = 1 + 6 half modulo 8 half, -i w for the points half / 2 further on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace thex::ring {

struct FftTables {
  // The factors of stage `half` at offset `half`, and the third powers of those of stage 2 * half, j < half, at offset
  // half.
  const double *cosines, *sines, *cube_cosines, *cube_sines;
};

}  // namespace thex::ring
