// Client only: key generation, encryption, decryption. The server library does not link this folder.
//
// Secrets are uniform ternary, errors Gaussian with standard deviation 3.19 (ring/random.h), as the table of context.h
// assumes (ePrint 2024/463); encryption is that of CKKS (ePrint 2016/421), keys are those of keys.h. All polynomials
// are in the NTT domain, residues canonical. What holds a secret is wiped when it goes, and no branch or address
// depends on it.
//
// Decrypted CKKS values carry the encryption noise: never show them to the server (IND-CPA-D, ePrint 2020/1533).
// Every function that draws randomness takes the generator, so that tests can pass a seeded one; production code passes
// `Prng()`.
#pragma once

#include <span>

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"
#include "thex/ckks/serialization.h"
#include "thex/ring/random.h"

namespace thex::ckks::secret {

// Uniform ternary, over all primes of the context, NTT domain. Wiped on destruction; not copyable.
class SecretKey {
 public:
  static SecretKey generate(ContextPtr context, ring::Prng& prng);
  // 32-byte seed from which the ternary polynomial is expanded: what is kept on disk.
  static SecretKey from_seed(ContextPtr context, const ring::Seed& seed);
  ~SecretKey();
  SecretKey(SecretKey&&) noexcept;
  SecretKey& operator=(SecretKey&&) noexcept;
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;

  const ring::Poly& poly() const { return poly_; }  // prime_count() limbs
  const ring::Seed& seed() const { return seed_; }
  const Context& context() const { return *context_; }

 private:
  SecretKey() = default;
  ContextPtr context_;
  ring::Poly poly_;
  ring::Seed seed_{};
};

// Keys as keys.h defines them. `level`: the highest level of ciphertexts that the key is to serve, 0 .. max_level().
// Throws Error(crypto) for another level, or a Galois element that is even or not below 2N.
PublicKey make_public_key(const SecretKey& key, ring::Prng& prng);
SwitchingKey make_relinearization_key(const SecretKey& key, Level level, ring::Prng& prng);
SwitchingKey make_galois_key(const SecretKey& key, std::uint64_t galois_element, Level level, ring::Prng& prng);
// All keys that are required, each at its level.
EvaluationKeys make_evaluation_keys(const SecretKey& key, const KeyRequirements& required, ring::Prng& prng);

// The plaintext plus a fresh encryption of zero, at the plaintext's level and scale: (m + e - c_1 s, c_1) with c_1 from
// a fresh seed, or with the public key (m + b u + e_0, a u + e_1) with a ternary u, whose noise is larger by a factor
// near sqrt(4N/3). Compact plaintexts are taken too. Throws Error(crypto) for a plaintext of another context and
// Error(keys) for such a public key.
SeededCiphertext encrypt(const SecretKey& key, const Plaintext& plaintext, ring::Prng& prng);
Ciphertext encrypt(const Context& context, const PublicKey& key, const Plaintext& plaintext, ring::Prng& prng);
// c_0 + c_1 s (+ c_2 s^2) of two or three parts, at the ciphertext's level and scale. The result's polynomial is marked
// as secret: it and its copies are wiped when they go. Throws Error(crypto) for a ciphertext of another shape.
Plaintext decrypt(const SecretKey& key, const Ciphertext& ciphertext);

}  // namespace thex::ckks::secret
