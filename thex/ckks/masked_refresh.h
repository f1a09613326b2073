// Refreshing the levels of a value through the client without showing it: the server adds a large random mask to the
// encrypted polynomial, the client decrypts the masked integers and encrypts them anew at a higher level, the server
// takes the mask off.
//
// The value must be at level 1: its integers m live modulo q_0 q_1 (2^96 for most plans), far above their size (a
// coefficient is below 2^36 for slots near 1 at scale 2^37). The mask is 2^48 + uniform in [0, q_0 q_1 - 2^49): nothing
// wraps while |m| < 2^48 (a larger one wraps with probability |m| / (q_0 q_1)), and the masked integer is within
// statistical distance |m| / (q_0 q_1 - 2^49) of one that does not depend on m, about 2^-60 a coefficient. Whatever m
// is, modulo q_0 q_1 it is within 2^49 / (q_0 q_1) of uniform. The second half is re-randomised (rerandomise.h). The
// idea is that of collective refreshing in multiparty CKKS (Mouchet and others, ePrint 2020/304, section 4), with one
// secret key.
#pragma once

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"
#include "thex/ring/random.h"

namespace thex::ckks {

inline constexpr Level kRefreshLevel = 1;  // at which a value is sent
inline constexpr int kLogMaskRoom = 48;    // no mask is nearer to 0 or q_0 q_1 than two to this
inline constexpr int kLeastMaskBits = 65;  // fewer would hide hardly anything

// log2(q_0 q_1 - 2^49). Throws Error(crypto) when it is below kLeastMaskBits: such parameters are not for refreshing.
double refresh_mask_bits(const Context& context);

struct MaskedValue {
  Ciphertext masked;  // two parts at level 1 and the value's scale, for the client
  ring::Poly mask;    // the mask modulo q_0 .. q_target, NTT domain: stays with the server, used once
};

// Server. `value`: two parts at level 1; target: the level that the fresh encryption will have. The generator must be
// fresh: a mask that is used twice hides nothing. Throws Error(crypto), and Error(keys) as rerandomise() does.
MaskedValue mask_for_refresh(const Context& context, const Ciphertext& value, Level target, const EvaluationKeys& keys,
                             ring::Prng& prng);

// Server. `refreshed`: what the client sent back, two parts at the target level; takes the mask off. Throws
// Error(protocol) when it is not at the level that the mask is for.
Ciphertext unmask(const Context& context, Ciphertext refreshed, const ring::Poly& mask);

// Client. The same non-negative integers (below q_0 q_1) as a plaintext of `level`: decrypt, lift, encrypt. Keeps the
// scale; the result is marked as secret. `decrypted`: a decryption at level 1. Throws Error(crypto) for another level
// or shape.
Plaintext lift(const Context& context, const Plaintext& decrypted, Level level);

}  // namespace thex::ckks
