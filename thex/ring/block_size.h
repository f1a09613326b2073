// The sizes in which the memory pool hands out blocks: who plans memory counts by them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

namespace thex::ring {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

// The block size for a request: a power of two or a quarter step above one, at least 256 bytes; from 2 MiB on whole
// huge pages.
constexpr std::size_t block_bytes(std::size_t bytes) {
  const std::size_t below = std::bit_floor(std::max<std::size_t>(bytes, 256));
  const std::size_t step = std::max<std::size_t>(below / 4, 64);
  const std::size_t rounded = (std::max<std::size_t>(bytes, 256) + step - 1) / step * step;
  return rounded < kHugePage ? rounded : (rounded + kHugePage - 1) / kHugePage * kHugePage;
}

}  // namespace thex::ring
