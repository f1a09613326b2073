// Loops over independent pieces of work: on a few threads of their own, or offered to other threads by a computation
// that does not know whose they are.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace thex {

// Calls body(0) .. body(count - 1), in any order and on any threads, and returns when all are done. An exception of a
// body is rethrown.
using ParallelFor = std::function<void(std::size_t count, const std::function<void(std::size_t)>& body)>;

// On the calling thread alone.
inline void serial_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  for (std::size_t i = 0; i < count; ++i) body(i);
}

// body(0) ... body(count - 1), at most `threads` at a time (fewer where the system has none to give), in no order.
// After an exception no further piece is begun, and the first one is rethrown here.
template <typename Body>
void parallel_for(std::size_t count, int threads, const Body& body) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  {
    std::vector<std::jthread> others;
    const std::size_t wanted = std::min(count, static_cast<std::size_t>(std::max(threads, 1)));
    others.reserve(wanted);
    try {
      while (others.size() + 1 < wanted) others.emplace_back(work);
    } catch (const std::system_error&) {
      // No further thread is to be had: those that are there do the work.
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace thex
