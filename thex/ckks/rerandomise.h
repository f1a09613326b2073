// Making a ciphertext new before it leaves the server: what its second polynomial says about the computation is hidden
// from the owner of the secret key.
//
// c_1 of a computed ciphertext is a function of the server's weights that whoever knows the inputs could solve for. It
// becomes c_1 + sum_k a_k u_k + e with uniform ternary u_k and Gaussian e: uniform to everybody who does not know u
// (ring learning with errors with u as the secret), as in public-key encryption (Lyubashevsky, Peikert, Regev,
// EUROCRYPT 2010). The pairs (b_k, a_k) are encryptions of zero, which need no public key: digit d of a switching key
// is -a_d s + e_d + P g_d s' with g_d = 0 modulo the primes of every other digit, so modulo those it is one; that of a
// Galois key is one under sigma_g^-1(s), and becomes one under s by the automorphism.
//
// The client chooses b_k but not a_k, which are expanded from seeds that parse_evaluation_keys found to differ. With
// malformed b_k it reads u_k where its own polynomial is shown to it and not covered by noise; so `count` has to grow
// with what is shown (answer.h). A single pair is enough when nothing of the kind is.
#pragma once

#include <cstddef>

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"
#include "thex/ring/random.h"

namespace thex::ckks {

// The number of encryptions of zero modulo q_0 .. q_level that the required keys, or these, hold.
std::size_t zero_encryptions(const Context& context, const KeyRequirements& required, Level level);
std::size_t zero_encryptions(const Context& context, const EvaluationKeys& keys, Level level);

// `value`: two parts at any level; it keeps level and scale, and its error grows by that of `count` >= 1 encryptions by
// a public key. `prng` must be fresh, and known to nobody else. Throws Error(crypto) for another shape, Error(keys)
// when the keys hold fewer encryptions of zero.
void rerandomise(const Context& context, Ciphertext& value, const EvaluationKeys& keys, std::size_t count,
                 ring::Prng& prng);

}  // namespace thex::ckks
