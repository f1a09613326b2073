// Shared by the ring tests: seeded polynomials, edge values included.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "thex/ring/memory_pool.h"
#include "thex/ring/modulus.h"

namespace thex::ring::testing {

inline Buffer random_residues(std::mt19937_64& rng, std::size_t n, std::uint64_t bound) {
  Buffer buffer(n);
  for (std::size_t i = 0; i < n; ++i) buffer.data()[i] = rng() % bound;
  return buffer;
}

inline Buffer constant(std::size_t n, std::uint64_t value) {
  Buffer buffer(n);
  for (std::size_t i = 0; i < n; ++i) buffer.data()[i] = value;
  return buffer;
}

// Random, all zero, all at the largest value, and alternating extremes.
inline std::vector<Buffer> interesting(std::mt19937_64& rng, std::size_t n, std::uint64_t bound) {
  std::vector<Buffer> list;
  list.push_back(random_residues(rng, n, bound));
  list.push_back(constant(n, 0));
  list.push_back(constant(n, bound - 1));
  Buffer extremes(n);
  for (std::size_t i = 0; i < n; ++i) extremes.data()[i] = rng() % 2 == 0 ? 0 : bound - 1;
  list.push_back(extremes);
  return list;
}

inline std::vector<std::uint64_t> to_vector(const Buffer& buffer) {
  return {buffer.data(), buffer.data() + buffer.size()};
}

}  // namespace thex::ring::testing
