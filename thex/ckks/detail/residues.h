// Integers and doubles into residues. Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thex/ring/modulus.h"

namespace thex::ckks {

// The residue of an integer-valued double of any size.
std::uint64_t residue_of(double value, const ring::Modulus& q);

// dst = src mod q for small secret integers (|src| < q): no branch or index depends on them.
void residues_of_small(std::uint64_t* dst, const std::int8_t* src, std::size_t n, const ring::Modulus& q);

}  // namespace thex::ckks
