// What ties a ciphertext to the query that it answers.
//
// The digest of a query stands for uniform polynomials that both sides know. The server adds one to what it sends, the
// client takes it off again before it decrypts. What was sent for another query then decrypts to uniform residues,
// which no honest server sends and the client refuses. The digest is public and the sum linear: this tells a stale or
// exchanged ciphertext, not a server that computes something else, nor somebody on the way who knows the query.
#pragma once

#include <cstdint>

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ring/random.h"

namespace thex::ckks {

// A digest of the query, 32 bytes.
using Binding = ring::Seed;

// Polynomial `number` of those that a binding stands for: uniform modulo each prime of a level, NTT domain.
ring::Poly binding_polynomial(const Context& context, const Binding& binding, std::uint64_t number, Level level);

// Server. Adds the polynomial of `place`, which says what the ciphertext is among all that is sent for the query, to
// the first part; that alone makes the decrypted value uniform for who does not take it off. Keeps level and scale.
// Throws Error(crypto) for a ciphertext that is not of two parts.
Ciphertext bind_ciphertext(const Context& context, Ciphertext ciphertext, const Binding& binding, std::uint64_t place);

// Client: takes it off again. Throws as bind_ciphertext does.
Ciphertext unbind_ciphertext(const Context& context, Ciphertext ciphertext, const Binding& binding,
                             std::uint64_t place);

}  // namespace thex::ckks
