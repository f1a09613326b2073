// Doubles where the kernels of ring want them: at an address that is a multiple of 64 bytes.
#pragma once

#include <cstddef>

#include "thex/ring/memory_pool.h"

namespace thex::support {

struct AlignedReals {
  explicit AlignedReals(std::size_t n) : memory(n), data(new (memory.data()) double[n]()), size(n) {}
  ring::Buffer memory;
  double* data;
  std::size_t size;
};

}  // namespace thex::support
