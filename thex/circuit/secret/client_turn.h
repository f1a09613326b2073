// The client's side of a planned program: encrypts the first inputs, takes its turns, reads the result. Holds the
// secret key.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "thex/circuit/plan.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/secret/secret.h"

namespace thex::circuit {

class ClientTurn {
 public:
  // All arguments must outlive the object. `lengths`: tokens of this query; later positions are padding.
  ClientTurn(const Plan& plan, std::size_t program, const ckks::secret::SecretKey& key, Lengths lengths,
             int threads = 1);

  // Step 0: `embeddings` is tokens * hidden values, row-major; in a batch one padded matrix after the other.
  std::vector<ckks::SeededCiphertext> first(std::span<const double> embeddings) const;
  // A later step: what to_client() lists, in that order; returns what to_server() lists.
  // Throws Error(protocol) when a ciphertext is not at its planned level and scale.
  std::vector<ckks::SeededCiphertext> answer(std::size_t step, std::span<const ckks::Ciphertext> received) const;
  // The program's outputs, those of padding left out. Throws Error(protocol) when they are not finite.
  std::vector<double> result(std::span<const ckks::Ciphertext> received) const;

 private:
  // Of `slots` values, or of the real and the imaginary parts of a pair.
  ckks::Plaintext encode(std::span<const double> values, const Travelling& t) const;
  std::vector<ckks::SeededCiphertext> encrypt_step(std::size_t step, std::span<const std::vector<double>> inputs,
                                                   std::span<const ckks::Plaintext> masked) const;
  std::vector<ckks::Plaintext> decrypt_all(std::size_t step, std::span<const ckks::Ciphertext> received) const;
  void parallel(std::size_t count, const std::function<void(std::size_t)>& f) const;

  const ckks::Context& context_;
  const Program& program_;
  const ProgramPlan& plan_;
  const ckks::secret::SecretKey& key_;
  ckks::Encoder encoder_;
  Lengths lengths_;
  int threads_;
};

}  // namespace thex::circuit
