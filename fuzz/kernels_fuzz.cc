// Every kernel of every instruction set that this processor has, on lengths, moduli and values that the bytes choose:
// the same residues as the portable table's.
#include <cstdio>
#include <cstdlib>

#include "tests/support/kernel_difference.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace thex::ring;
  for (const Isa isa : {Isa::avx2, Isa::avx512ifma}) {
    const Kernels* const table = kernels_for(isa);
    if (table == nullptr) continue;
    const std::string found = thex::support::kernel_difference(*table, *kernels_for(Isa::portable), {data, size});
    if (!found.empty()) {
      std::fprintf(stderr, "%s: %s\n", table->name, found.c_str());
      std::abort();
    }
  }
  return 0;
}
