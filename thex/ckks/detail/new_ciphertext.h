// A ciphertext to be filled in. Internal to ckks.
#pragma once

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"

namespace thex::ckks {

// `parts` polynomials of level + 1 limbs, their values not initialised.
inline Ciphertext new_ciphertext(const Context& context, std::size_t parts, Level level, double scale) {
  Ciphertext result;
  result.parts.reserve(parts);
  for (std::size_t p = 0; p < parts; ++p) {
    result.parts.emplace_back(context.n(), level.limbs());
  }
  result.level = level;
  result.scale = scale;
  return result;
}

}  // namespace thex::ckks
