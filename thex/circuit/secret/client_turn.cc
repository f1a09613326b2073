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

namespace {

// Single slots may exceed the largest value that is surely represented, where few slots are large, but not all of them:
// the root mean square of slots of random residues is sqrt(N / 6) times as large as it, at least 26 times.
constexpr double kStrayFactor = 8;
// Where predictions rest on assumed magnitudes, noise may be larger.
constexpr double kNoiseFactor = 8;

double root_mean_square(std::span<const double> values) {
  double sum = 0;
  for (const double x : values) sum += x * x;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

// Rounded: decrypted values in a message may come to be read by others.
[[noreturn]] void disbelieve(const std::string& what, double value, double bound) {
  const auto power = [](double x) { return "2^" + (x > 0 ? std::to_string(std::lround(std::log2(x))) : "-inf"); };
  throw Error(ErrorCode::protocol, "the answer does not belong to this query, or the server computed something else: " +
                                       what + " (" + power(value) + ", expected at most " + power(bound) + ")");
}

}  // namespace

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
  if (values.size() == slots) return encoder_.encode_full(values, t.level, context_.scale(t.scale_level));
  std::vector<std::complex<double>> pairs(slots);
  const ckks::secret::WipeLater wipe_pairs(pairs);
  for (std::size_t i = 0; i < slots; ++i) pairs[i] = {values[i], values[slots + i]};
  return encoder_.encode_full(std::span<const std::complex<double>>(pairs), t.level, context_.scale(t.scale_level));
}

std::vector<ckks::SeededCiphertext> ClientTurn::encrypt_step(std::size_t step,
                                                             std::span<const std::vector<double>> inputs,
                                                             std::span<const ckks::Plaintext> masked) const {
  std::vector<std::vector<double>> vectors = apply_client_step(program_, step, inputs, lengths_);
  const WipeLater wipe_vectors(vectors);
  const std::vector<Travelling> targets = to_server(program_, plan_, step);
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

void ClientTurn::check_received(std::size_t step, std::span<const ckks::Ciphertext> received) const {
  const std::vector<Travelling> expected = to_client(program_, plan_, step);
  if (received.size() != expected.size())
    throw Error(ErrorCode::protocol, "the server sent " + std::to_string(received.size()) + " ciphertexts in step " +
                                         std::to_string(step) + ", expected " + std::to_string(expected.size()));
  for (std::size_t i = 0; i < received.size(); ++i) {
    const ckks::Ciphertext& c = received[i];
    const Travelling& t = expected[i];
    const double scale = context_.scale(t.scale_level);
    if (c.level != t.level || !ckks::same_scale(scale, c.scale))
      throw Error(ErrorCode::protocol, "the server sent a ciphertext at level " + to_string(c.level) + " and scale 2^" +
                                           std::to_string(std::log2(c.scale)) + " in step " + std::to_string(step) +
                                           ", expected level " + to_string(t.level) + " and scale 2^" +
                                           std::to_string(std::log2(scale)));
  }
}

std::vector<ckks::SeededCiphertext> ClientTurn::first(std::span<const double> embeddings) const {
  std::vector<double> clear(embeddings.begin(), embeddings.end());
  const WipeLater wipe_clear(clear);
  return encrypt_step(0, std::span(&clear, 1), {});
}

std::vector<ckks::SeededCiphertext> ClientTurn::answer(std::size_t step,
                                                       std::span<const ckks::Ciphertext> received) const {
  check_received(step, received);
  std::vector<ckks::Plaintext> plains(received.size());
  parallel(plains.size(), [&](std::size_t i) { plains[i] = ckks::secret::decrypt(key_, received[i]); });
  const std::size_t readable = program_.steps.at(step).inputs.size();
  std::vector<std::vector<double>> values(readable);
  const WipeLater wipe_values(values);
  const double limit = kStrayFactor * largest_result(context_, plan_);
  parallel(readable, [&](std::size_t i) {
    values[i] = encoder_.decode_real(plains[i]);
    const double size = root_mean_square(values[i]);
    if (!(size <= limit)) disbelieve("the values of step " + std::to_string(step) + " are out of range", size, limit);
  });
  return encrypt_step(step, values, std::span(plains).subspan(readable));
}

std::vector<double> ClientTurn::read_hidden(const ckks::Ciphertext& received, const ckks::Binding& binding,
                                            std::size_t index) const {
  const ckks::Plaintext decrypted =
      ckks::secret::decrypt(key_, ckks::unbind_answer(context_, received, binding, index));
  std::vector<std::complex<double>> copies = ckks::read_answer(context_, encoder_, decrypted, plan_.hiding->period);
  const WipeLater wipe_copies(copies);
  const double bound = agreement_bound(context_, plan_);
  for (const std::complex<double>& copy : copies) {
    const double difference = std::abs(copy.real() - copy.imag()) / 2;
    if (!(difference <= bound)) disbelieve("two copies of a value differ", difference, bound);
  }
  std::vector<double> values;
  values.reserve(copies.size());
  for (const std::complex<double>& copy : copies) values.push_back((copy.real() + copy.imag()) / 2);
  return values;
}

// Without a second copy there is the imaginary part, which is nothing but noise.
std::vector<double> ClientTurn::read_plain(const ckks::Ciphertext& received, std::size_t index) const {
  std::vector<std::complex<double>> slots = encoder_.decode(ckks::secret::decrypt(key_, received));
  const WipeLater wipe_slots(slots);
  const double bound = kNoiseFactor * agreement_bound(context_, plan_);
  for (const SlotSource& from : program_.result_slots) {
    if (!plan_.result_bits || static_cast<std::size_t>(from.input) != index) continue;
    const double imaginary = std::abs(slots[from.slot].imag());
    if (!(imaginary <= bound)) disbelieve("a real value has an imaginary part", imaginary, bound);
  }
  std::vector<double> values;
  values.reserve(slots.size());
  for (const std::complex<double>& slot : slots) values.push_back(slot.real());
  const double size = root_mean_square(values), limit = kStrayFactor * largest_result(context_, plan_);
  if (!(size <= limit)) {
    const WipeLater wipe_values(values);
    disbelieve("a result is out of range", size, limit);
  }
  return values;
}

std::vector<double> ClientTurn::result(std::span<const ckks::Ciphertext> received, const ckks::Binding& binding) const {
  check_received(program_.steps.size(), received);
  std::vector<std::vector<double>> values(received.size());
  const WipeLater wipe_values(values);
  parallel(values.size(), [&](std::size_t i) {
    values[i] = plan_.hiding ? read_hidden(received[i], binding, i) : read_plain(received[i], i);
  });
  std::vector<double> outputs = gather_outputs(program_, values, lengths_);
  const double limit = largest_result(context_, plan_);
  for (const double x : outputs)
    if (!std::isfinite(x) || (plan_.hiding && std::abs(x) > limit))
      disbelieve("a result is larger than this plan represents", std::abs(x), limit);
  return outputs;
}

}  // namespace thex::circuit
