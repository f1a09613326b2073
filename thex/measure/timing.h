// Timing without a framework: warm-up, then repeats until a budget of seconds is spent.
#pragma once

#include <cstddef>
#include <functional>

namespace thex::measure {

struct Times {
  double minimum = 0, median = 0;  // wall-clock seconds of one run
  // Processor seconds of one run, all threads: what a busy machine disturbs least.
  double processor_minimum = 0, processor_median = 0;
  std::size_t runs = 0;
};

// Runs once to warm up, then at least three times and for about `budget` seconds. Runs shorter than 200 us are timed in
// groups, so that the clock does not count.
Times measure(const std::function<void()>& run, double budget);

}  // namespace thex::measure
