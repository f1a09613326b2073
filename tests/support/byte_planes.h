// A lossless packing for test vectors of 64-bit words that are much smaller than 2^64: byte i of the input goes to
// plane i mod 8, and runs of zero bytes in the planes are stored as their lengths.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace thex::testing {

// The length of the input, then for all planes in order: how many bytes follow as they are, those bytes, how many zero
// bytes come after them; numbers are u32, little-endian.
inline std::vector<std::uint8_t> pack_planes(const std::vector<std::uint8_t>& bytes) {
  std::vector<std::uint8_t> planes, result;
  for (std::size_t plane = 0; plane < 8; ++plane) {
    for (std::size_t i = plane; i < bytes.size(); i += 8) planes.push_back(bytes[i]);
  }
  const auto put = [&](std::size_t value) {
    for (int shift = 0; shift < 32; shift += 8) result.push_back(static_cast<std::uint8_t>(value >> shift));
  };
  put(bytes.size());
  for (std::size_t at = 0; at < planes.size();) {
    std::size_t end = at, zeros = 0;  // of the bytes kept; zero bytes seen after them
    for (std::size_t i = at; i < planes.size() && zeros < 16; ++i) {
      zeros = planes[i] == 0 ? zeros + 1 : 0;
      if (zeros == 0) end = i + 1;
    }
    zeros = 0;
    while (end + zeros < planes.size() && planes[end + zeros] == 0) ++zeros;
    put(end - at);
    result.insert(result.end(), planes.begin() + static_cast<std::ptrdiff_t>(at),
                  planes.begin() + static_cast<std::ptrdiff_t>(end));
    put(zeros);
    at = end + zeros;
  }
  return result;
}

inline std::vector<std::uint8_t> unpack_planes(const std::vector<std::uint8_t>& packed) {
  std::size_t at = 0;
  const auto get = [&] {
    if (packed.size() - at < 4) throw std::runtime_error("byte planes: truncated");
    std::size_t value = 0;
    for (int shift = 0; shift < 32; shift += 8) value |= std::size_t{packed[at++]} << shift;
    return value;
  };
  std::vector<std::uint8_t> result(get()), planes;
  planes.reserve(result.size());
  while (at < packed.size()) {
    const std::size_t kept = get();
    if (kept > packed.size() - at) throw std::runtime_error("byte planes: truncated");
    planes.insert(planes.end(), packed.begin() + static_cast<std::ptrdiff_t>(at),
                  packed.begin() + static_cast<std::ptrdiff_t>(at + kept));
    at += kept;
    const std::size_t zeros = get();
    if (zeros > result.size() - planes.size()) throw std::runtime_error("byte planes: too long");
    planes.insert(planes.end(), zeros, 0);
  }
  if (planes.size() != result.size()) throw std::runtime_error("byte planes: another length than announced");
  for (std::size_t plane = 0, k = 0; plane < 8; ++plane) {
    for (std::size_t i = plane; i < result.size(); i += 8) result[i] = planes[k++];
  }
  return result;
}

}  // namespace thex::testing
