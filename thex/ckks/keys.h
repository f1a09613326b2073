// Public key material that a server holds: relinearisation, rotation and conjugation keys of hybrid key switching (Han
// and Ki, CT-RSA 2020, ePrint 2019/688), and the encryption key. None of these reveals anything about the secret key
// under RLWE and circular security. All residues are canonical.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "thex/ckks/context.h"
#include "thex/ring/poly.h"
#include "thex/ring/random.h"

namespace thex::ckks {

// Switches c * s' to (c_0, c_1) under s. A relinearisation key has s' = s^2 and the client's s. The key of Galois
// element g has the client's s as s' and sigma_g^-1(s) in the place of s: it is applied before the automorphism, so
// that only the two polynomials of the result are permuted, not every digit. One pair of polynomials (b_d, a_d) for
// each digit d, over the primes q_0..q_level and all special primes (in this order): b_d = -a_d s + e_d + P g_d s',
// where g_d is 1 modulo the primes of digit d and 0 modulo the others. The uniform half a_d is expanded from a seed:
// limb for prime index i (context numbering) of digit d = sample_uniform(Prng(seed, d * 2^32 + i)). A key made for
// `level` serves ciphertexts at that level and below, and holds no limbs above it.
struct SwitchingKey {
  Level level;
  ring::Seed seed{};
  std::vector<ring::Poly> b, a;  // digit_count(level) each, level.limbs() + special_count() limbs, NTT domain
};

// The prime index (context numbering) of limb `position` in a key of `level`: q_0..q_level, then the special primes.
LimbIndex limb_prime(const Context& context, Level level, std::size_t position);
// Its inverse: where the limb of prime `index` stands.
std::size_t limb_position(const Context& context, Level level, LimbIndex index);
// The uniform halves that a seed stands for: of a ciphertext or public key at `level` (level.limbs() limbs), and of a
// switching key. NTT domain; uniform in 0 .. prime - 1.
ring::Poly expand_uniform(const Context& context, const ring::Seed& seed, Level level);
std::vector<ring::Poly> expand_key_half(const Context& context, const ring::Seed& seed, Level level);

// An encryption of zero, for encryption without the secret key.
struct PublicKey {
  ring::Poly b;       // -a s + e over q_0..q_L, NTT domain
  ring::Seed seed{};  // a = expand_uniform(seed)
  ring::Poly a;       // uniform, the same limbs
};

struct EvaluationKeys {
  std::optional<SwitchingKey> relinearization;   // s^2 -> s
  std::map<std::uint64_t, SwitchingKey> galois;  // by Galois element: s -> sigma_g^-1(s)

  // The key of a rotation by `steps` slots for ciphertexts at `level`. Throws Error(keys) naming the rotation when it
  // is missing or made for a lower level.
  const SwitchingKey& rotation(const Context& context, int steps, Level level) const;
  std::size_t bytes() const;  // memory of all polynomials, expanded halves included
};

// Which keys a computation needs, each with the highest level at which it is used.
struct KeyRequirements {
  std::map<int, Level> rotations;    // steps, in slots -> level
  Level relinearization_level = -1;  // -1: not needed
  Level conjugation_level = -1;
};

// The Galois keys of `required`: element -> level. Steps that are equal modulo N/2 are one key at the higher level; a
// rotation by 0 needs none. Throws Error(crypto) for a level that the context has not.
std::map<std::uint64_t, Level> galois_levels(const Context& context, const KeyRequirements& required);

}  // namespace thex::ckks
