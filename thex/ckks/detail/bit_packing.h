// Residues packed at a fixed number of bits each, least significant bits first. Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace thex::ckks {

// Bytes of `count` residues of `bits` bits; count is a multiple of 8.
constexpr std::size_t packed_bytes(std::size_t count, std::size_t bits) { return count / 8 * bits; }

// values < 2^bits, bits <= 56, count a multiple of 8.
void pack_bits(std::byte* dst, const std::uint64_t* values, std::size_t count, std::size_t bits);
// Returns the largest value read, so that the caller can compare it with the modulus.
std::uint64_t unpack_bits(std::uint64_t* values, const std::byte* src, std::size_t count, std::size_t bits);

}  // namespace thex::ckks
