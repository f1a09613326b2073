#include "thex/ckks/detail/bit_packing.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace thex::ckks {

static_assert(std::endian::native == std::endian::little, "packed words are read and written in place");

void pack_bits(std::byte* dst, const std::uint64_t* values, std::size_t count, std::size_t bits) {
  std::uint64_t pending = 0;
  std::size_t filled = 0;
  for (std::size_t i = 0; i < count; ++i) {
    pending |= values[i] << filled;
    filled += bits;
    if (filled >= 64) {
      std::memcpy(dst, &pending, 8);
      dst += 8;
      filled -= 64;
      pending = values[i] >> (bits - filled);  // bits - filled is 1..bits: what did not fit stays
    }
  }
  std::memcpy(dst, &pending, filled / 8);
}

std::uint64_t unpack_bits(std::uint64_t* values, const std::byte* src, std::size_t count, std::size_t bits) {
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  const std::size_t bytes = packed_bytes(count, bits);
  std::uint64_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    // A value and the up to 7 bits before it fit a word; the last words are cut at the end of the bytes.
    const std::size_t bit = i * bits, at = bit / 8;
    std::uint64_t word = 0;
    if (at + 8 <= bytes) {
      std::memcpy(&word, src + at, 8);
    } else {
      std::memcpy(&word, src + at, bytes - at);
    }
    values[i] = (word >> (bit % 8)) & mask;
    largest = std::max(largest, values[i]);
  }
  return largest;
}

}  // namespace thex::ckks
