#include "thex/ckks/sanitize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "thex/base/error.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"

namespace thex::ckks {
namespace {

struct Party {
  ContextPtr context =
      Context::create({.log_n = 13, .q_bits = {45, 36, 36}, .p_bits = {46}, .digit_limbs = 1, .log_scale = 36});
  ring::Prng prng{ring::Seed{3}};
  secret::SecretKey key = secret::SecretKey::generate(context, prng);
  EvaluationKeys keys = secret::make_evaluation_keys(key, {.relinearization_level = 2}, prng);
  Encoder encoder{context};
  Evaluator evaluator{context};

  Ciphertext encrypted(double value) {
    const std::vector<double> slots(context->slots(), value);
    const double scale = context->scale(0);
    return evaluator.drop_to(evaluator.expand(secret::encrypt(key, encoder.encode(slots, 1, scale), prng)), 0);
  }
  std::vector<double> decrypted(const Ciphertext& c) const { return encoder.decode_real(secret::decrypt(key, c)); }
};

TEST(Sanitize, KeepsTheAnswerWithinTheFlood) {
  Party p;
  const Ciphertext answer = p.encrypted(1.5);
  const int bits = flooding_bits(*p.context, answer.scale, 0x1p-9);
  EXPECT_GT(bits, 10);
  const Ciphertext clean = sanitize(*p.context, answer, *p.keys.relinearization, bits, p.prng);
  EXPECT_EQ(clean.level, 0);
  EXPECT_EQ(clean.scale, answer.scale);
  double squares = 0;
  for (double x : p.decrypted(clean)) squares += (x - 1.5) * (x - 1.5);
  const double deviation = std::sqrt(squares / static_cast<double>(p.context->slots()));
  EXPECT_LE(deviation, 1.05 * 0x1p-9);
  EXPECT_GE(deviation, 0.45 * 0x1p-9);  // rounded down to a power of two
}

// Both polynomials are new every time: nothing of the ciphertext that the computation left remains.
TEST(Sanitize, MakesBothPolynomialsNew) {
  Party p;
  const Ciphertext answer = p.encrypted(0.25);
  const Ciphertext one = sanitize(*p.context, answer, *p.keys.relinearization, 12, p.prng);
  const Ciphertext two = sanitize(*p.context, answer, *p.keys.relinearization, 12, p.prng);
  for (std::size_t part = 0; part < 2; ++part) {
    std::size_t equal = 0;
    for (std::size_t i = 0; i < p.context->n(); ++i) {
      equal += one.parts[part].limb(0)[i] == answer.parts[part].limb(0)[i];
      equal += one.parts[part].limb(0)[i] == two.parts[part].limb(0)[i];
    }
    EXPECT_LT(equal, 4u);
  }
}

TEST(Sanitize, RefusesWhatItCannotCover) {
  Party p;
  const Ciphertext answer = p.encrypted(0.25);
  const SwitchingKey& key = *p.keys.relinearization;
  EXPECT_THROW(sanitize(*p.context, answer, key, -1, p.prng), Error);
  EXPECT_THROW(sanitize(*p.context, answer, key, 44, p.prng), Error);
  SwitchingKey single = key;
  single.b.resize(1), single.a.resize(1);
  EXPECT_THROW(sanitize(*p.context, answer, single, 12, p.prng), Error);
  const std::vector<double> ones(16, 1.0);
  const Ciphertext high =
      p.evaluator.expand(secret::encrypt(p.key, p.encoder.encode_full(ones, 1, p.context->scale(1)), p.prng));
  EXPECT_THROW(sanitize(*p.context, high, key, 12, p.prng), Error);
}

}  // namespace
}  // namespace thex::ckks
