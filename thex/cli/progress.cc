#include "thex/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "thex/base/clock.h"

namespace thex::cli {

Progress::Progress(std::size_t total) : total_(total), terminal_(total > 0 && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (terminal_) std::cerr << "\r\033[K";
}

void Progress::step(std::size_t count) {
  const std::lock_guard lock(mutex_);
  done_ += count;
  if (!terminal_) return;
  const double each = seconds_since(start_) / static_cast<double>(done_);
  const double left = each * static_cast<double>(total_ - std::min(done_, total_));
  std::cerr << fmt::format("\r\033[K{} of {}, {:.2f} s each, {} left", done_, total_, each,
                           left < 90 ? fmt::format("{:.0f} s", left) : fmt::format("{:.0f} min", left / 60))
            << std::flush;
}

}  // namespace thex::cli
