// Integers and doubles into residues, and the quotient row of exact base conversion. Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thex/ring/modulus.h"

namespace thex::ckks {

// The residue of an integer-valued double of any size.
std::uint64_t residue_of(double value, const ring::Modulus& q);

// dst = src mod q for signed integers, |src| <= max_abs < 2^63.
void residues_of(std::uint64_t* dst, const std::int64_t* src, std::size_t n, std::uint64_t max_abs,
                 const ring::Modulus& q);

// dst = src mod q for small secret integers (|src| < q): no branch or index depends on them.
void residues_of_small(std::uint64_t* dst, const std::int8_t* src, std::size_t n, const ring::Modulus& q);

// dst[i] = round(sum_k src[k][i] * reciprocal[k]), src < 2^50: at most `count`.
void rounded_quotient(std::uint64_t* dst, const std::uint64_t* const* src, const double* reciprocal, std::size_t count,
                      std::size_t n);

}  // namespace thex::ckks
