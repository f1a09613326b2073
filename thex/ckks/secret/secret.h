// Client only: key generation, encryption, decryption. The server library does not link this folder.
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

PublicKey make_public_key(const SecretKey& key, ring::Prng& prng);
SwitchingKey make_relinearization_key(const SecretKey& key, Level level, ring::Prng& prng);
SwitchingKey make_galois_key(const SecretKey& key, std::uint64_t galois_element, Level level, ring::Prng& prng);
EvaluationKeys make_evaluation_keys(const SecretKey& key, const KeyRequirements& required, ring::Prng& prng);

SeededCiphertext encrypt(const SecretKey& key, const Plaintext& plaintext, ring::Prng& prng);
Ciphertext encrypt(const Context& context, const PublicKey& key, const Plaintext& plaintext, ring::Prng& prng);
// Two or three parts. The result's polynomial is marked as secret: it and its copies are wiped when they go.
Plaintext decrypt(const SecretKey& key, const Ciphertext& ciphertext);

}  // namespace thex::ckks::secret
