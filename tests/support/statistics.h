// Tests of randomness, each as a number of standard deviations: near a standard normal one when nothing is to be found.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace thex::support {

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// A chi-square value of so many degrees of freedom, by Wilson and Hilferty's cube root (1931).
inline double chi_square_deviations(double value, double freedom) {
  const double variance = 2 / (9 * freedom);
  return (std::cbrt(value / freedom) - (1 - variance)) / std::sqrt(variance);
}

// How many of the values, which are cut to [0, 1), are in each of `bins` equal parts.
inline std::vector<double> histogram(std::span<const double> values, std::size_t bins) {
  std::vector<double> counts(bins, 0.0);
  for (const double x : values) {
    const double at = std::floor(x * static_cast<double>(bins));
    ++counts[at < 0 ? 0 : at >= static_cast<double>(bins) ? bins - 1 : static_cast<std::size_t>(at)];
  }
  return counts;
}

// Whether the values are uniform in [0, 1).
inline double uniform_deviations(std::span<const double> values, std::size_t bins = 64) {
  const double expected = static_cast<double>(values.size()) / static_cast<double>(bins);
  double sum = 0;
  for (const double count : histogram(values, bins)) sum += (count - expected) * (count - expected) / expected;
  return chi_square_deviations(sum, static_cast<double>(bins - 1));
}

// Whether two lists have one distribution: in equal parts of the range that they take together.
inline double same_distribution_deviations(std::span<const double> a, std::span<const double> b,
                                           std::size_t bins = 64) {
  double least = a[0], most = a[0];
  for (const std::span<const double> list : {a, b})
    for (const double x : list) least = std::fmin(least, x), most = std::fmax(most, x);
  const auto counts = [&](std::span<const double> list) {
    std::vector<double> scaled;
    scaled.reserve(list.size());
    for (const double x : list) scaled.push_back((x - least) / (most - least));
    return histogram(scaled, bins);
  };
  const std::vector<double> of_a = counts(a), of_b = counts(b);
  const double share = static_cast<double>(a.size()) / static_cast<double>(a.size() + b.size());
  double sum = 0, used = 0;
  for (std::size_t i = 0; i < bins; ++i) {
    const double both = of_a[i] + of_b[i], expected = share * both;
    if (both == 0) continue;
    sum += (of_a[i] - expected) * (of_a[i] - expected) / (expected * (1 - share));
    ++used;
  }
  return chi_square_deviations(sum, used - 1);
}

// Whether x says something about y: their correlation times the root of their number.
inline double correlation_deviations(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mean_x += x[i] / n, mean_y += y[i] / n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx, yy += dy * dy, xy += dx * dy;
  }
  return xy / std::sqrt(xx * yy) * std::sqrt(n);
}

}  // namespace thex::support
