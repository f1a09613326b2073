#include "thex/ckks/bit_packing.h"

#include <algorithm>

namespace thex::ckks {

void pack_bits(std::byte* dst, const std::uint64_t* values, std::size_t count, int bits) {
  std::uint64_t pending = 0;  // fewer than 8 bits between values
  int filled = 0;
  for (std::size_t i = 0; i < count; ++i) {
    pending |= values[i] << filled;
    for (filled += bits; filled >= 8; filled -= 8) {
      *dst++ = static_cast<std::byte>(pending);
      pending >>= 8;
    }
  }
}

std::uint64_t unpack_bits(std::uint64_t* values, const std::byte* src, std::size_t count, int bits) {
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  std::uint64_t pending = 0, largest = 0;
  int filled = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for (; filled < bits; filled += 8) pending |= std::to_integer<std::uint64_t>(*src++) << filled;
    values[i] = pending & mask;
    largest = std::max(largest, values[i]);
    pending >>= bits;
    filled -= bits;
  }
  return largest;
}

}  // namespace thex::ckks
