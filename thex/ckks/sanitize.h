// What a server does to an answer before it lets it go: a fresh encryption of zero makes both polynomials new, and
// noise far above that of the computation covers the latter, which depends on the server's weights (noise flooding;
// Gentry 2009, section 21.1).
//
// The encryption of zero needs no public key: digit d of a switching key is -a_d s + e_d + P g_d s' with g_d = 0 modulo
// the primes of every other digit, so modulo those (a_d, b_d) is a public key.
#pragma once

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"
#include "thex/ring/random.h"

namespace thex::ckks {

// The largest k for which flooding noise, uniform in [-2^k, 2^k) in every coefficient, adds no more than that standard
// deviation to the real part of a slot of a value at `scale`; below 0 when even the smallest adds more.
int flooding_bits(const Context& context, double scale, double slot_deviation);

// That deviation, of k bits.
double flooding_deviation(const Context& context, double scale, int flooding_bits);

// `answer`: two parts at a level whose primes are all in digit 0. `key`: any switching key of the client's secret with
// two digits at least. Throws Error(crypto), Error(keys).
Ciphertext sanitize(const Context& context, Ciphertext answer, const SwitchingKey& key, int flooding_bits,
                    ring::Prng& prng);

}  // namespace thex::ckks
