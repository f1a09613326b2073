// How far a long run is, on the terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>

namespace thex::cli {

// One line on stderr, "12 of 872, 0.45 s each, 6 min left", erased in the end; nothing when stderr is no terminal or
// nobody knows how many there are (0). May be used by several threads.
class Progress {
 public:
  explicit Progress(std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void step(std::size_t count = 1);

 private:
  const std::size_t total_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::size_t done_ = 0;
};

}  // namespace thex::cli
