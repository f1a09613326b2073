// Internal: the tables that the kernel files define. Public headers are kernels.h and ntt.h.
#pragma once

#include "thex/ring/kernels.h"

namespace thex::ring {

extern const Kernels kPortableKernels;
#if defined(THEX_RING_HAS_AVX512IFMA)
extern const Kernels kAvx512IfmaKernels;
#endif
#if defined(THEX_RING_HAS_AVX2)
extern const Kernels kAvx2Kernels;
#endif

}  // namespace thex::ring
