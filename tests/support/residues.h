// For tests of ring: seeded polynomials, edge values included.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "thex/ring/memory_pool.h"
#include "thex/ring/modulus.h"

namespace thex::support {

inline ring::Buffer random_residues(std::mt19937_64& rng, std::size_t n, std::uint64_t bound) {
  ring::Buffer buffer(n);
  for (std::size_t i = 0; i < n; ++i) buffer.data()[i] = rng() % bound;
  return buffer;
}

inline ring::Buffer constant(std::size_t n, std::uint64_t value) {
  ring::Buffer buffer(n);
  for (std::size_t i = 0; i < n; ++i) buffer.data()[i] = value;
  return buffer;
}

// Random, all zero, all at the largest value, and alternating extremes.
inline std::vector<ring::Buffer> interesting(std::mt19937_64& rng, std::size_t n, std::uint64_t bound) {
  std::vector<ring::Buffer> list;
  list.push_back(random_residues(rng, n, bound));
  list.push_back(constant(n, 0));
  list.push_back(constant(n, bound - 1));
  ring::Buffer extremes(n);
  for (std::size_t i = 0; i < n; ++i) extremes.data()[i] = rng() % 2 == 0 ? 0 : bound - 1;
  list.push_back(extremes);
  return list;
}

inline std::vector<std::uint64_t> to_vector(const ring::Buffer& buffer) {
  return {buffer.data(), buffer.data() + buffer.size()};
}

}  // namespace thex::support
