// How well a computed vector agrees with the expected one, in bits of absolute error: a slot with error e has -log2(e)
// bits (values near 1 then have as many correct bits behind the binary point).
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <iterator>

#include "thex/base/error.h"

namespace thex::ckks {

struct PrecisionStatistics {
  double min_bits = 0;   // of the worst slot
  double mean_bits = 0;  // mean over the slots
  double max_bits = 0;   // of the best slot
  double max_error = 0;
  double mean_error = 0;
  std::size_t count = 0;
};

inline constexpr double kExactBits = 60;  // an error of 0, or below 2^-60, counts as this many bits

// Real or complex vectors of equal length, at least one slot; throws Error(usage) otherwise.
template <typename A, typename B>
PrecisionStatistics precision(const A& computed, const B& expected) {
  if (std::size(computed) != std::size(expected) || std::empty(computed)) {
    throw Error(ErrorCode::usage, "precision: vectors of different or no length");
  }
  PrecisionStatistics result;
  result.count = std::size(computed);
  result.min_bits = kExactBits;
  result.max_bits = -kExactBits;
  for (std::size_t i = 0; i < result.count; ++i) {
    const double error = std::abs(std::complex<double>(computed[i]) - std::complex<double>(expected[i]));
    const double bits = error > 0x1p-60 ? -std::log2(error) : (std::isnan(error) ? -kExactBits : kExactBits);
    result.min_bits = std::min(result.min_bits, bits);
    result.max_bits = std::max(result.max_bits, bits);
    result.mean_bits += bits / static_cast<double>(result.count);
    result.mean_error += error / static_cast<double>(result.count);
    result.max_error = std::isnan(error) ? error : std::max(result.max_error, error);
  }
  return result;
}

}  // namespace thex::ckks
