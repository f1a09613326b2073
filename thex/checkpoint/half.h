// Conversions between binary32 and the two 16-bit formats of checkpoints, IEEE 754 binary16 (F16) and bfloat16 (BF16).
// Narrowing rounds to nearest, ties to even; a finite value beyond the target's range becomes infinite. NaN stays NaN.
// Internal to this folder.
#pragma once

#include <bit>
#include <cstdint>

namespace thex::checkpoint {

inline std::uint16_t float_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000);
  std::uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;   // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00;  // 2^16 and more, infinity
  if (magnitude < 0x38800000) {                       // below 2^-14: a multiple of 2^-24
    const std::uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return sign;  // below 2^-25: nearer to zero than to 2^-24
    const std::uint32_t significand = (magnitude & 0x7fffff) | 0x800000;
    const std::uint32_t shift = 126 - exponent;
    const std::uint32_t half = 1u << (shift - 1);
    const std::uint32_t rest = significand & ((1u << shift) - 1);
    std::uint32_t units = significand >> shift;
    if (rest > half || (rest == half && (units & 1))) ++units;
    return static_cast<std::uint16_t>(sign | units);
  }
  magnitude += 0xfff + ((magnitude >> 13) & 1);  // a carry into the exponent is what rounding up means there
  return static_cast<std::uint16_t>(sign | ((magnitude >> 13) - (112u << 10)));
}

inline float f16_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1f;
  const std::uint32_t fraction = half & 0x3ff;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | (fraction << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

inline std::uint16_t float_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<std::uint16_t>((bits >> 16) | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float bf16_to_float(std::uint16_t half) { return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16); }

}  // namespace thex::checkpoint
