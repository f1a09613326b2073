// Internal: the tables that the kernel files define. Public headers are kernels.h and ntt.h.
#pragma once

#include "thex/ring/kernels.h"

namespace thex::ring {

extern const Kernels kPortableKernels;
// fft_portable.cc
namespace portable {
void fft_inverse(double* dst_re, double* dst_im, double* re, double* im, std::size_t h, const FftTables& tables);
void fft_forward(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                 const FftTables& tables);
double largest_magnitude(const double* src, std::size_t n);
void residues_of_reals(std::uint64_t* dst, const double* src, double max_abs, std::size_t n, const Modulus& q);

}  // namespace portable
#if defined(THEX_RING_HAS_AVX512IFMA)
extern const Kernels kAvx512IfmaKernels;
#endif
#if defined(THEX_RING_HAS_AVX2)
extern const Kernels kAvx2Kernels;
#endif

}  // namespace thex::ring
