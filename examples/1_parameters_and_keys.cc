// Example 1: parameters, keys, a first computation.
//
// CKKS computes on vectors of real (or complex) numbers with limited precision. A context fixes the ring and the
// modulus chain; whoever holds the secret key encrypts and decrypts; whoever holds the evaluation keys computes and
// learns nothing.
#include <cmath>
#include <cstdio>
#include <vector>

#include "thex/base/error.h"
#include "thex/ckks/context.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"

int main() {
  using namespace thex;

  // A ring of dimension N = 2^13: 4,096 slots in a ciphertext. The chain has three primes, so two levels: every
  // product is followed by a rescale, which gives up the last prime, and two of them fit. The special prime is for key
  // switching. The sum of all sizes is what security limits.
  const ckks::ContextSpec spec{.log_n = 13, .q_bits = {46, 36, 36}, .p_bits = {48}, .digit_limbs = 1, .log_scale = 36};
  const ckks::ContextPtr context = ckks::Context::create(spec);
  std::printf(
      "N = 2^%d, %zu slots, %d levels, log2(QP) = %.1f of at most %d bits for 128-bit security (classical attacks)\n",
      context->log_n(), context->slots(), context->max_level().number(), context->log_qp(),
      ckks::max_log_qp_128(context->log_n()));

  // There is no switch for less: parameters above the table are refused.
  try {
    ckks::ContextSpec greedy = spec;
    greedy.q_bits.insert(greedy.q_bits.end(), 3, 36);
    ckks::Context::create(greedy);
    return 1;
  } catch (const Error& error) {
    std::printf("refused: %s\n", error.what());
  }

  // The client makes its keys. Everything random comes from the operating system's generator through Prng.
  ring::Prng prng;
  const auto secret = ckks::secret::SecretKey::generate(context, prng);
  ckks::KeyRequirements needed;
  needed.rotations[1] = context->max_level() - 1;  // rotations by one slot, at level 1 and below
  needed.relinearization_level = context->max_level();
  const ckks::EvaluationKeys keys = ckks::secret::make_evaluation_keys(secret, needed, prng);
  std::printf("evaluation keys: %.1f MB, for the server\n", static_cast<double>(keys.bytes()) / 1e6);

  // Two vectors, encoded at the highest level and its scale, then encrypted.
  const ckks::Encoder encoder(context);
  std::vector<double> x(context->slots()), y(context->slots());
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = std::sin(static_cast<double>(i));
    y[i] = 1.0 / static_cast<double>(i + 1);
  }
  const ckks::Level top = context->max_level();
  const auto encrypt = [&](const std::vector<double>& values) {
    return ckks::secret::encrypt(secret, encoder.encode_full(values, top, context->scale(top)), prng);
  };

  // The server: x * y, then every slot plus its right neighbour. It sees neither values nor results. What travels has a
  // seed in the place of its uniform half.
  const ckks::Evaluator evaluator(context);
  const ckks::Ciphertext product =
      evaluator.relinearize_rescale(evaluator.mul(evaluator.expand(encrypt(x)), evaluator.expand(encrypt(y))), keys);
  const ckks::Ciphertext sum = evaluator.add(product, evaluator.rotate(product, 1, keys));

  // The client reads the result. A decrypted value carries the noise of encryption: never show it to the server.
  const std::vector<double> result = encoder.decode_real(ckks::secret::decrypt(secret, sum));
  double worst = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t next = (i + 1) % result.size();
    worst = std::max(worst, std::abs(result[i] - (x[i] * y[i] + x[next] * y[next])));
  }
  std::printf("slot 0: %.6f; largest error of %zu slots: 2^%.1f\n", result[0], result.size(), std::log2(worst));
  return worst < 0x1p-15 ? 0 : 1;
}
