// Byte formats of ciphertexts, keys and specifications.
//
// Every object starts with a header: magic "THEX", format version (u16), type (u16), context fingerprint (16 bytes),
// payload length (u64), all little-endian. Residues are packed at bits(q) bits each, limb after limb; uniform halves
// are seeds. Reading is hostile-safe: all sizes follow from the trusted context and are checked against the bytes
// present before anything is allocated; each residue is checked to be below its prime; scales must be finite and
// positive. Errors are Error(protocol) for messages (parse_*), and say what was expected and found; serialize() throws
// Error(crypto) for an object that is not of the context.
//
// After the header: a ciphertext is its level (u32), scale (f64) and two polynomials, a seeded one level, scale, seed
// and c_0; a switching key level, seed and the polynomials b_d; evaluation keys the number of relinearisation keys
// (u32, 0 or 1), that of Galois keys (u32), the former, then the latter by ascending Galois element (u64), a switching
// key each; a public key seed and b. Within a polynomial q_0 comes first and the special primes last.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"

namespace thex::ckks {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

Bytes serialize(const Context& context, const Ciphertext& ciphertext);  // two parts
Bytes serialize(const Context& context, const SeededCiphertext& ciphertext);
Bytes serialize(const Context& context, const SwitchingKey& key);  // seed and b
Bytes serialize(const Context& context, const EvaluationKeys& keys);
Bytes serialize(const Context& context, const PublicKey& key);

Ciphertext parse_ciphertext(const Context& context, ByteView bytes);  // accepts both forms, expands seeds
SwitchingKey parse_switching_key(const Context& context, ByteView bytes);
// Also refuses keys that `required` does not name, so that a client cannot fill a server's memory.
EvaluationKeys parse_evaluation_keys(const Context& context, ByteView bytes, const KeyRequirements& required);
// Throws whenever parse_evaluation_keys would, and keeps nothing: one polynomial at a time is in memory, and no uniform
// half is expanded.
void check_evaluation_keys(const Context& context, ByteView bytes, const KeyRequirements& required);
PublicKey parse_public_key(const Context& context, ByteView bytes);

// Exact sizes in bytes of the encodings above, for bounding what is read; of all required keys together.
std::size_t ciphertext_bytes(const Context& context, Level level, bool seeded);
std::size_t evaluation_keys_bytes(const Context& context, const KeyRequirements& required);

}  // namespace thex::ckks
