#include <cstdlib>
#include <string>

#include "thex/base/error.h"
#include "thex/ring/simd/kernel_tables.h"

namespace thex::ring {
namespace {

constexpr Isa kBestFirst[] = {Isa::avx512ifma, Isa::avx2, Isa::portable};

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx512ifma:
      return "avx512ifma";
    case Isa::avx2:
      return "avx2";
    case Isa::portable:
      break;
  }
  return "portable";
}

const Kernels& choose() {
  const char* const wanted = std::getenv("THEX_ISA");
  std::string usable;
  for (const Isa isa : kBestFirst) {
    const Kernels* const table = kernels_for(isa);
    if (table == nullptr) continue;
    if (wanted == nullptr || *wanted == '\0' || wanted == std::string(isa_name(isa))) return *table;
    usable += std::string(usable.empty() ? "" : ", ") + isa_name(isa);
  }
  throw Error(ErrorCode::usage, "THEX_ISA=" + std::string(wanted) +
                                    ": no such instruction set in this build or on this processor; choose one of " +
                                    usable);
}

}  // namespace

const Kernels* kernels_for(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return &kPortableKernels;
    case Isa::avx2:
#if defined(THEX_RING_HAS_AVX2)
      if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &kAvx2Kernels;
#endif
      return nullptr;
    case Isa::avx512ifma:
#if defined(THEX_RING_HAS_AVX512IFMA)
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512ifma")) {
        return &kAvx512IfmaKernels;
      }
#endif
      return nullptr;
  }
  return nullptr;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace thex::ring
