// The choice of a table (ring/dispatch.cc) as on a processor with AVX-512 IFMA, for programs with its emulated kernels.
#define __builtin_cpu_supports(feature) true
#include "thex/ring/dispatch.cc"
