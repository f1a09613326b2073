// Seeds that a client draws. Internal to ckks/secret.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thex/ckks/detail/wiped.h"
#include "thex/ring/random.h"

namespace thex::ckks::secret {

// A seed drawn from a generator: four words as little-endian bytes.
inline ring::Seed draw_seed(ring::Prng& prng) {
  ring::Seed seed;
  for (std::size_t i = 0; i < seed.size(); i += 8) {
    const std::uint64_t word = prng.next();
    for (std::size_t j = 0; j < 8; ++j) seed[i + j] = static_cast<std::uint8_t>(word >> (8 * j));
  }
  return seed;
}

}  // namespace thex::ckks::secret
