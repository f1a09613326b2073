// How a computation offers independent pieces of work to other threads, without knowing whose they are.
#pragma once

#include <cstddef>
#include <functional>

namespace thex {

// Calls body(0) .. body(count - 1), in any order and on any threads, and returns when all are done. An exception of a
// body is rethrown.
using ParallelFor = std::function<void(std::size_t count, const std::function<void(std::size_t)>& body)>;

// On the calling thread alone.
inline void serial_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  for (std::size_t i = 0; i < count; ++i) body(i);
}

}  // namespace thex
