// Choosing the primes' sizes: modulus chains for a number of levels that are 128-bit secure (context.h).
#pragma once

#include <optional>
#include <vector>

#include "thex/ckks/context.h"

namespace thex::ckks {

// What a chain has to have.
struct ChainRequest {
  int log_n = 14;
  Level depth = 0;       // levels of a fresh ciphertext
  int integer_bits = 0;  // bits of the largest decrypted value, its sign and a margin included
  int min_log_scale = 0, max_log_scale = 0;
  // Bits by which q_0 q_1 must exceed the scale; more than the primes have is room for masks, and q_1 is wide
  // (ContextSpec::wide_q1).
  int mask_bits = 0;
};

// The chain with `alpha` primes in a digit and the largest scale that is 128-bit secure: a lowest prime of the scale's
// and the integer bits, `depth` of the scale's, and special primes whose product is a little above the largest digit.
// None when a scale of 2^min_log_scale does not fit, or no
// two primes have room for the masks.
std::optional<ContextSpec> modulus_chain(const ChainRequest& request, int alpha);

// The same for every number of primes in a digit; what room they leave is given to the lowest prime, so that values
// larger than the largest expected one still decrypt. Empty when none fits.
std::vector<ContextSpec> modulus_chains(const ChainRequest& request);

}  // namespace thex::ckks
