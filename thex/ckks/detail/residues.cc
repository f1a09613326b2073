#include "thex/ckks/detail/residues.h"

#include <bit>
#include <cmath>

namespace thex::ckks {

std::uint64_t residue_of(double value, const ring::Modulus& q) {
  if (std::abs(value) < 0x1p62) return q.from_signed(std::llrint(value));
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // value = fraction * 2^exponent, |fraction| in [1/2, 1)
  const auto mantissa = static_cast<std::int64_t>(std::ldexp(fraction, 53));
  return q.mul(q.from_signed(mantissa), q.pow(2, static_cast<std::uint64_t>(exponent - 53)));
}

void residues_of_small(std::uint64_t* dst, const std::int8_t* src, std::size_t n, const ring::Modulus& q) {
  const std::uint64_t p = q.value();
  for (std::size_t i = 0; i < n; ++i) {
    const auto x = static_cast<std::uint64_t>(std::int64_t{src[i]});
    dst[i] = x + (p & (0 - (x >> 63)));
  }
}

}  // namespace thex::ckks
