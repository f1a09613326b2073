#include "thex/measure/timing.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "thex/measure/machine.h"

namespace thex::measure {

Times measure(const std::function<void()>& run, double budget) {
  constexpr double kShortest = 200e-6;
  constexpr std::size_t kLeastRuns = 3, kMostSamples = 10000;
  double start = wall_clock();
  run();
  const double first = wall_clock() - start;
  const auto group = static_cast<std::size_t>(std::clamp(std::ceil(kShortest / std::max(first, 1e-9)), 1.0, 1e4));
  std::vector<double> samples, of_processor;
  for (start = wall_clock();
       samples.size() < kLeastRuns || (wall_clock() - start < budget && samples.size() < kMostSamples);) {
    const double begin = wall_clock(), processor_begin = processor_clock();
    for (std::size_t i = 0; i < group; ++i) run();
    const double processor = processor_clock() - processor_begin, wall = wall_clock() - begin;
    samples.push_back(wall / static_cast<double>(group));
    of_processor.push_back(processor / static_cast<double>(group));
  }
  std::sort(samples.begin(), samples.end());
  std::sort(of_processor.begin(), of_processor.end());
  const std::size_t middle = samples.size() / 2;
  return {.minimum = samples.front(),
          .median = samples[middle],
          .processor_minimum = of_processor.front(),
          .processor_median = of_processor[middle],
          .runs = samples.size() * group};
}

}  // namespace thex::measure
