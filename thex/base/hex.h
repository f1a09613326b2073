// Bytes as a person reads them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace thex {

// Two lower-case hexadecimal digits for each byte.
std::string hex(std::span<const std::uint8_t> bytes);

}  // namespace thex
