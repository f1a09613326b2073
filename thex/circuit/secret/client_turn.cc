#include "thex/circuit/secret/client_turn.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <string>

#include "thex/base/error.h"
#include "thex/base/parallel.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/ckks/secret/wipe_later.h"

namespace thex::circuit {

using ckks::secret::WipeLater;

ClientTurn::ClientTurn(const Plan& plan, std::size_t program, const ckks::secret::SecretKey& key, Lengths lengths,
                       int threads)
    : context_(*plan.context),
      program_(plan.programs.at(program)),
      plan_(plan.program_plans.at(program)),
      key_(key),
      encoder_(plan.context),
      lengths_(std::move(lengths)),
      threads_(threads) {}

void ClientTurn::parallel(std::size_t count, const std::function<void(std::size_t)>& f) const {
  parallel_for(count, threads_, f);
}

ckks::Plaintext ClientTurn::encode(std::span<const double> values, const Travelling& t) const {
  const std::size_t slots = program_.slots;
  if (values.size() == slots) return encoder_.encode_full(values, t.level, t.scale);
  std::vector<std::complex<double>> pairs(slots);
  const ckks::secret::WipeLater wipe_pairs(pairs);
  for (std::size_t i = 0; i < slots; ++i) pairs[i] = {values[i], values[slots + i]};
  return encoder_.encode_full(std::span<const std::complex<double>>(pairs), t.level, t.scale);
}

std::vector<ckks::SeededCiphertext> ClientTurn::encrypt_step(std::size_t step,
                                                             std::span<const std::vector<double>> inputs,
                                                             std::span<const ckks::Plaintext> masked) const {
  std::vector<std::vector<double>> vectors = apply_client_step(program_, step, inputs, lengths_);
  const WipeLater wipe_vectors(vectors);
  const std::vector<Travelling> targets = to_server(context_, program_, plan_, step);
  std::vector<ckks::SeededCiphertext> out(targets.size());
  parallel(out.size(), [&](std::size_t i) {
    const Travelling& t = targets[i];
    ring::Prng prng;
    const ckks::Plaintext plain =
        t.masked ? ckks::lift(context_, masked[i - vectors.size()], t.level) : encode(vectors[i], t);
    out[i] = ckks::secret::encrypt(key_, plain, prng);
  });
  return out;
}

std::vector<ckks::Plaintext> ClientTurn::decrypt_all(std::size_t step,
                                                     std::span<const ckks::Ciphertext> received) const {
  const std::vector<Travelling> expected = to_client(context_, program_, plan_, step);
  if (received.size() != expected.size())
    throw Error(ErrorCode::protocol, "the server sent " + std::to_string(received.size()) + " ciphertexts in step " +
                                         std::to_string(step) + ", expected " + std::to_string(expected.size()));
  std::vector<ckks::Plaintext> out(received.size());
  parallel(out.size(), [&](std::size_t i) {
    const ckks::Ciphertext& c = received[i];
    const Travelling& t = expected[i];
    if (c.level != t.level || !(std::abs(c.scale - t.scale) <= t.scale * 0x1p-30))
      throw Error(ErrorCode::protocol, "the server sent a ciphertext at level " + std::to_string(c.level) +
                                           " and scale 2^" + std::to_string(std::log2(c.scale)) + " in step " +
                                           std::to_string(step) + ", expected level " + std::to_string(t.level) +
                                           " and scale 2^" + std::to_string(std::log2(t.scale)));
    out[i] = ckks::secret::decrypt(key_, c);
  });
  return out;
}

std::vector<ckks::SeededCiphertext> ClientTurn::first(std::span<const double> embeddings) const {
  std::vector<double> clear(embeddings.begin(), embeddings.end());
  const WipeLater wipe_clear(clear);
  return encrypt_step(0, std::span(&clear, 1), {});
}

std::vector<ckks::SeededCiphertext> ClientTurn::answer(std::size_t step,
                                                       std::span<const ckks::Ciphertext> received) const {
  const std::vector<ckks::Plaintext> plains = decrypt_all(step, received);
  const std::size_t readable = program_.steps.at(step).inputs.size();
  std::vector<std::vector<double>> values(readable);
  const WipeLater wipe_values(values);
  parallel(readable, [&](std::size_t i) { values[i] = encoder_.decode_real(plains[i]); });
  return encrypt_step(step, values, std::span(plains).subspan(readable));
}

std::vector<double> ClientTurn::result(std::span<const ckks::Ciphertext> received) const {
  const std::vector<ckks::Plaintext> plains = decrypt_all(program_.steps.size(), received);
  std::vector<std::vector<double>> slots(plains.size());
  const WipeLater wipe_slots(slots);
  parallel(slots.size(), [&](std::size_t i) { slots[i] = encoder_.decode_real(plains[i]); });
  std::vector<double> logits = gather_outputs(program_, slots, lengths_);
  for (double x : logits)
    if (!std::isfinite(x)) throw Error(ErrorCode::protocol, "the server sent a result that is not a number");
  return logits;
}

}  // namespace thex::circuit
