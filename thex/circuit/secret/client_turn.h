// The client's side of a planned program: encrypts the first inputs, takes its turns, reads the result. Holds the
// secret key.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "thex/circuit/answers.h"
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
  // Throws Error(protocol) when a ciphertext is not at its planned level and scale, or decrypts to values that no
  // honest server sends.
  std::vector<ckks::SeededCiphertext> answer(std::size_t step, std::span<const ckks::Ciphertext> received) const;
  // The program's outputs, those of padding left out. `binding`: the digest of the query that the answer is to (any,
  // where the plan does not hide results). Throws Error(protocol) when they are not what a server that computed this
  // query would send: the two copies of each value agree and are within the plan's range. A server that computes
  // something else is not found out.
  std::vector<double> result(std::span<const ckks::Ciphertext> received, const ckks::Binding& binding = {}) const;

 private:
  // Of `slots` values, or of the real and the imaginary parts of a pair.
  ckks::Plaintext encode(std::span<const double> values, const Travelling& t) const;
  std::vector<ckks::SeededCiphertext> encrypt_step(std::size_t step, std::span<const std::vector<double>> inputs,
                                                   std::span<const ckks::Plaintext> masked) const;
  // Count, levels and scales.
  void check_received(std::size_t step, std::span<const ckks::Ciphertext> received) const;
  // The values of result `index`: of one period, or of all slots.
  std::vector<double> read_hidden(const ckks::Ciphertext& received, const ckks::Binding& binding,
                                  std::size_t index) const;
  std::vector<double> read_plain(const ckks::Ciphertext& received, std::size_t index) const;
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
