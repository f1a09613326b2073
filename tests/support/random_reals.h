// Random vectors and their errors.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace thex::support {

using Reals = std::vector<double>;

// n values, uniform in [-size, size).
inline Reals uniform(std::size_t n, std::uint64_t seed, double size = 1) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> distribution(-size, size);
  Reals v(n);
  for (double& x : v) x = distribution(engine);
  return v;
}

// The root mean square of a - b.
inline double rms_difference(const Reals& a, const Reals& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

inline double mean_square(const Reals& a) { return std::pow(rms_difference(a, Reals(a.size(), 0.0)), 2); }

}  // namespace thex::support
