// What a server does to an answer before it lets it go, and how the client reads it.
//
// A result r whose slots repeat after P of them lies, but for noise, in the subring Z[X^(N/2P)]: 2P coefficients. The
// server sends (1 + i) r, of which the real and the imaginary part of every slot hold the same value, and adds
//  - to every other coefficient a uniform residue modulo q_0: nothing of it is left, whatever the client has encrypted;
//  - to the 2P coefficients uniform integers of [-2^k, 2^k), far above the noise of the computation, which depends on
//    the server's weights (noise flooding; Gentry 2009, section 21.1);
//  - encryptions of zero, so that the second half is new too (rerandomise.h);
//  - a pair of uniform polynomials that follow from the query (its binding), which the client takes off again. An
//    answer to another query leaves uniform values, whose two copies do not agree.
//
// What this gives. A client that keeps to the protocol learns r with the flood on it. One that does not, and encrypts
// what it likes, gets 2P uniformly flooded coefficients: at most exposed_bits() (answer_hiding.h) bits about the
// weights from one answer. binding.h says what a binding tells and what not; an encrypted tag would tell no more, for
// it could be moved along.
#pragma once

#include <complex>
#include <cstddef>
#include <vector>

#include "thex/ckks/answer_hiding.h"
#include "thex/ckks/binding.h"
#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/keys.h"
#include "thex/ring/random.h"

namespace thex::ckks {

// Server. `result`: two parts at level 0, real slots of period P. `index`: its place among the results of the query.
// The answer has two parts at level 0 and the scale of the result; its slots are (1 + i) times the result's, so they
// have to stay below q_0 / (2 sqrt(2) scale). All randomness comes from `prng`: with the same one, the same result
// gives the same answer. Throws Error(crypto) for another shape, and Error(keys) when hiding.zeros is 0 or the keys
// hold fewer encryptions of zero.
Ciphertext hide_answer(const Evaluator& evaluator, const Ciphertext& result, const EvaluationKeys& keys,
                       const AnswerHiding& hiding, const Binding& binding, std::size_t index, ring::Prng& prng);

// Client, before it decrypts: takes the binding off. Keeps level and scale. Throws Error(crypto) for another shape than
// two parts at level 0.
Ciphertext unbind_answer(const Context& context, Ciphertext answer, const Binding& binding, std::size_t index);

// And afterwards: the P = `period` values of the decrypted answer, divided by its scale; real and imaginary part are
// two copies of each, and their mean the value to read. The caller wipes them. Throws Error(crypto) for another shape,
// level or period.
std::vector<std::complex<double>> read_answer(const Context& context, const Encoder& encoder,
                                              const Plaintext& decrypted, std::size_t period);

}  // namespace thex::ckks
