// The short form in which a masked value (masked_refresh.h) travels to the client: both parts without their lowest
// bits, as Kyber's ciphertexts are compressed (Bos and others, ePrint 2017/634).
//
// A coefficient of a ciphertext at level 1 is an integer modulo q_0 q_1. Rounded to a multiple of 2^b it has an error
// of variance 4^b / 12; when the value is decrypted, that of c_0 counts once and that of c_1, times a ternary secret,
// 2N/3 times. The bits below make both together a little less than the noise of the re-randomisation, which is there
// in any case. What the client gets follows from what it would get without rounding, so it learns nothing more.
//
// Format (serialization.h has the header): scale (f64), then for c_0 and c_1 the lower and the upper half of the bits
// of every coefficient over 2^b, packed. A rounded coefficient may reach q_0 q_1 itself, which is zero.
#pragma once

#include <cstddef>

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/serialization.h"

namespace thex::ckks {

// The bits that are left out of a coefficient of each part.
struct RoundedBits {
  int c0, c1;
};
RoundedBits rounded_bits(int log_n);

// `ciphertext`: two parts at level 1. Throws Error(crypto) for another one.
Bytes serialize_rounded(const Context& context, const Ciphertext& ciphertext);
// As it was, but for the rounding. Throws Error(protocol) for bytes that are no such object of this context.
Ciphertext parse_rounded(const Context& context, ByteView bytes);
std::size_t rounded_bytes(const Context& context);  // of the encoding

}  // namespace thex::ckks
