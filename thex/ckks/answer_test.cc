#include "thex/ckks/answer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/support/ckks.h"
#include "thex/ckks/secret/secret.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using support::expect_error;
using support::identical;

constexpr Binding kQuery = {1, 2, 3}, kOtherQuery = {1, 2, 4};

struct Party {
  ContextPtr context =
      Context::create({.log_n = 13, .q_bits = {45, 36, 36}, .p_bits = {46}, .digit_limbs = 1, .log_scale = 36});
  ring::Prng prng{ring::Seed{3}};
  secret::SecretKey key = secret::SecretKey::generate(context, prng);
  EvaluationKeys keys = secret::make_evaluation_keys(key, {.relinearization_level = 2}, prng);
  Encoder encoder{context};
  Evaluator evaluator{context};
  double scale = context->scale(0);

  // Slot i: values[i mod P].
  Ciphertext encrypted(const std::vector<double>& values) {
    return evaluator.expand(secret::encrypt(key, encoder.encode_full(values, 0, scale), prng));
  }
  // What a client that keeps to no protocol may have made of it: a polynomial with these coefficients modulo q_0.
  Ciphertext encrypted(const std::function<std::uint64_t(std::size_t)>& coefficient) {
    Plaintext plain{ring::Poly(context->n(), 1), 0, scale};
    for (std::size_t i = 0; i < context->n(); ++i)
      plain.poly.limb(0)[i] = context->prime(LimbIndex(0)).reduce(coefficient(i));
    ring::kernels().ntt_forward(plain.poly.limb(0), context->ntt(LimbIndex(0)));
    return evaluator.expand(secret::encrypt(key, plain, prng));
  }
  Ciphertext hidden(const Ciphertext& result, const AnswerHiding& hiding, std::uint8_t seed,
                    const Binding& query = kQuery, std::size_t index = 0) const {
    ring::Prng of_answer(ring::Seed{seed, 99});
    return hide_answer(evaluator, result, keys, hiding, query, index, of_answer);
  }
  Plaintext opened(const Ciphertext& answer, const Binding& query = kQuery, std::size_t index = 0) const {
    return secret::decrypt(key, unbind_answer(*context, answer, query, index));
  }
  std::vector<std::complex<double>> read(const Ciphertext& answer, std::size_t period, const Binding& query = kQuery,
                                         std::size_t index = 0) const {
    return read_answer(*context, encoder, opened(answer, query, index), period);
  }
  // The coefficients that the client sees beside the subring.
  std::vector<std::uint64_t> others(const Ciphertext& answer, std::size_t period) const {
    Plaintext plain = opened(answer);
    ring::kernels().ntt_inverse(plain.poly.limb(0), context->ntt(LimbIndex(0)));
    std::vector<std::uint64_t> all;
    for (std::size_t i = 0; i < context->n(); ++i)
      if (i % (context->n() / 2 / period) != 0) all.push_back(plain.poly.limb(0)[i]);
    return all;
  }
};

// Pearson's statistic of residues modulo q over 256 classes.
double chi_square(const std::vector<std::uint64_t>& residues, const ring::Modulus& q) {
  std::vector<double> seen(256);
  for (const std::uint64_t x : residues)
    ++seen[static_cast<std::size_t>(static_cast<double>(x) / static_cast<double>(q.value()) * 256)];
  const double expected = static_cast<double>(residues.size()) / 256;
  double sum = 0;
  for (const double count : seen) sum += (count - expected) * (count - expected) / expected;
  return sum;
}
// Uniform residues exceed it with probability below 2^-40: 255 + 2 sqrt(255 x) + 2 x at x = 28 (Laurent, Massart).
constexpr double kUniformBelow = 480;

double largest_difference(const std::vector<std::complex<double>>& copies) {
  double largest = 0;
  for (const auto& c : copies) largest = std::max(largest, std::abs(c.real() - c.imag()));
  return largest;
}

TEST(Answer, KeepsItsValuesWithinTheFlood) {
  Party p;
  for (const std::size_t period : {std::size_t{1}, std::size_t{2}, std::size_t{64}, p.context->slots()}) {
    AnswerHiding hiding = plan_answer_hiding(*p.context, p.scale, period, 0x1p-9, 100);
    const double deviation = flood_deviation(p.scale, hiding);
    EXPECT_LE(deviation, 0x1p-9);
    EXPECT_GT(deviation, 0x1p-10);
    hiding.zeros = 2;
    std::vector<double> values(period);
    for (std::size_t i = 0; i < period; ++i) values[i] = 1.5 - static_cast<double>(i % 8);
    double squares = 0, differences = 0;
    const std::size_t runs = period < 64 ? 256 : 4;
    for (std::size_t run = 0; run < runs; ++run) {
      const auto copies = p.read(p.hidden(p.encrypted(values), hiding, static_cast<std::uint8_t>(run)), period);
      ASSERT_EQ(copies.size(), period);
      for (std::size_t i = 0; i < period; ++i) {
        squares += std::pow((copies[i].real() + copies[i].imag()) / 2 - values[i], 2);
        differences += std::pow((copies[i].real() - copies[i].imag()) / 2, 2);
      }
    }
    const auto count = static_cast<double>(period * runs);
    EXPECT_NEAR(std::sqrt(squares / count), deviation, 0.25 * deviation) << period;
    EXPECT_NEAR(std::sqrt(differences / count), deviation, 0.25 * deviation) << period;
  }
}

TEST(Answer, HidesEveryCoefficientOutsideTheSubring) {
  Party p;
  const AnswerHiding hiding{.period = 2, .flooding_bits = 25};
  const ring::Modulus& q = p.context->prime(LimbIndex(0));
  // An honest result, and what a client gets computed that encrypts large coefficients everywhere.
  for (const bool honest : {true, false}) {
    std::vector<std::uint64_t> all;
    for (std::uint8_t seed = 0; seed < 4; ++seed) {
      const Ciphertext result = honest ? p.encrypted(std::vector<double>{0.5, -3})
                                       : p.encrypted([](std::size_t i) { return (std::uint64_t{1} << 40) + i; });
      const auto others = p.others(p.hidden(result, hiding, seed), hiding.period);
      all.insert(all.end(), others.begin(), others.end());
    }
    EXPECT_LT(chi_square(all, q), kUniformBelow) << honest;
  }
  // The statistic sees what is not hidden: with the longest period every coefficient is shown.
  const Ciphertext result = p.encrypted([](std::size_t) { return std::uint64_t{1} << 40; });
  const AnswerHiding nothing{.period = p.context->slots(), .flooding_bits = 25, .zeros = 2};
  EXPECT_GT(chi_square(p.others(p.hidden(result, nothing, 1), 2), q), 100 * kUniformBelow);
}

// The same generator adds the same to every result, so that nothing in what is added depends on it.
TEST(Answer, CoverDoesNotDependOnTheResult) {
  Party p;
  const AnswerHiding hiding{.period = 16, .flooding_bits = 22, .zeros = 2};
  const Ciphertext one = p.encrypted(std::vector<double>{1, 2}),
                   two = p.encrypted([](std::size_t i) { return i * 0x9e3779b97f4a7c15; });
  const auto twice = [&](const Ciphertext& c) { return p.evaluator.add(c, p.evaluator.multiply_i(c)); };
  EXPECT_TRUE(identical(p.evaluator.sub(p.hidden(one, hiding, 5), p.hidden(two, hiding, 5)),
                        p.evaluator.sub(twice(one), twice(two))));
}

TEST(Answer, RepeatsItselfOnlyWithTheSameGenerator) {
  Party p;
  const AnswerHiding hiding{.period = 4, .flooding_bits = 24};
  const Ciphertext result = p.encrypted(std::vector<double>{0.25});
  const Ciphertext one = p.hidden(result, hiding, 1), two = p.hidden(result, hiding, 2);
  EXPECT_TRUE(identical(one, p.hidden(result, hiding, 1)));
  for (std::size_t part = 0; part < 2; ++part) {
    std::size_t equal = 0;
    for (std::size_t i = 0; i < p.context->n(); ++i) {
      equal += one.parts[part].limb(0)[i] == result.parts[part].limb(0)[i];
      equal += one.parts[part].limb(0)[i] == two.parts[part].limb(0)[i];
    }
    EXPECT_LT(equal, 4u);
  }
}

// A client that sends keys whose first halves are zero still finds the second half covered: it cannot choose the
// uniform ones.
TEST(Answer, SecondHalfIsHiddenFromMalformedKeys) {
  Party p;
  for (ring::Poly& b : p.keys.relinearization->b)
    for (std::size_t l = 0; l < b.limbs(); ++l) std::fill_n(b.limb(l), b.n(), std::uint64_t{0});
  const Ciphertext result = p.encrypted(std::vector<double>{1});
  const Ciphertext answer =
      unbind_answer(*p.context, p.hidden(result, {.period = 2, .flooding_bits = 25}, 1), kQuery, 0);
  ring::Poly difference = answer.parts[1];
  const ring::Modulus& q = p.context->prime(LimbIndex(0));
  ring::kernels().sub(difference.limb(0), difference.limb(0), result.parts[1].limb(0), p.context->n(), q);
  ring::kernels().ntt_inverse(difference.limb(0), p.context->ntt(LimbIndex(0)));
  EXPECT_LT(chi_square({difference.limb(0), difference.limb(0) + difference.n()}, q), kUniformBelow);
}

TEST(Answer, CopiesOfATamperedOneDisagree) {
  Party p;
  const AnswerHiding hiding{.period = 2, .flooding_bits = 25};
  const Ciphertext result = p.encrypted(std::vector<double>{0.5, -3}), answer = p.hidden(result, hiding, 1);
  EXPECT_LT(largest_difference(p.read(answer, 2)), 0.05);
  EXPECT_GT(largest_difference(p.read(answer, 2, kOtherQuery)), 1) << "an answer to another query";
  EXPECT_GT(largest_difference(p.read(answer, 2, kQuery, 1)), 1) << "another result of the same query";
  EXPECT_GT(largest_difference(p.read(p.evaluator.add(answer, answer), 2)), 1) << "twice the answer";
  EXPECT_GT(largest_difference(p.read(p.evaluator.negate(answer), 2)), 1);
  EXPECT_GT(largest_difference(p.read(p.evaluator.multiply_i(answer), 2)), 1);
  Ciphertext random = answer;
  for (ring::Poly& part : random.parts)
    ring::sample_uniform(p.prng, part.limb(0), part.n(), p.context->prime(LimbIndex(0)));
  EXPECT_GT(largest_difference(p.read(random, 2)), 1);
}

TEST(Answer, PlansAsManyMasksAsAClientCouldRead) {
  Party p;
  const AnswerHiding few = plan_answer_hiding(*p.context, p.scale, 2, 0x1p-9, 100),
                     all = plan_answer_hiding(*p.context, p.scale, p.context->slots(), 0x1p-9, 100);
  EXPECT_EQ(few.zeros, 1u);
  EXPECT_GT(static_cast<double>(all.zeros - 1) * static_cast<double>(p.context->n()) * std::log2(3.0),
            exposed_bits(*p.context, all) - static_cast<double>(p.context->n()) * std::log2(3.0) / 2 - 1);
  // With fewer masks the second half may show as well.
  AnswerHiding short_of = plan_answer_hiding(*p.context, p.scale, p.context->slots(), 0x1p-9, 2);
  EXPECT_EQ(short_of.zeros, 2u);
  EXPECT_NEAR(exposed_bits(*p.context, short_of), 2 * 8192 * 45, 1);
  EXPECT_NEAR(exposed_bits(*p.context, few), 4 * (45 - few.flooding_bits - 1), 0.1);
}

TEST(Answer, RefusesWhatItCannotHide) {
  Party p;
  const Ciphertext result = p.encrypted(std::vector<double>{0.25});
  const auto refused = [&](const AnswerHiding& hiding, ErrorCode code, const char* word) {
    expect_error(code, {word}, [&] { p.hidden(result, hiding, 1); });
  };
  refused({.period = 2, .flooding_bits = -1}, ErrorCode::crypto, "2^-1 of noise");
  refused({.period = 2, .flooding_bits = 44}, ErrorCode::crypto, "2^44 of noise");
  refused({.period = 3, .flooding_bits = 12}, ErrorCode::crypto, "period of 3");
  refused({.period = 2 * p.context->slots(), .flooding_bits = 12}, ErrorCode::crypto, "period of 8192");
  refused({.period = 2, .flooding_bits = 12, .zeros = 3}, ErrorCode::keys, "encryptions of zero");
  const Ciphertext high = p.evaluator.expand(
      secret::encrypt(p.key, p.encoder.encode_full(std::vector<double>(16, 1.0), 1, p.context->scale(1)), p.prng));
  ring::Prng prng(ring::Seed{1});
  expect_error(ErrorCode::crypto, {"level 1"},
               [&] { hide_answer(p.evaluator, high, p.keys, {.period = 2, .flooding_bits = 12}, kQuery, 0, prng); });
  expect_error(ErrorCode::crypto, {"level 1"}, [&] { unbind_answer(*p.context, high, kQuery, 0); });
  expect_error(ErrorCode::crypto, {"level 1"},
               [&] { read_answer(*p.context, p.encoder, secret::decrypt(p.key, high), 2); });
  expect_error(ErrorCode::crypto, {"flood of one bit"}, [&] { plan_answer_hiding(*p.context, 1, 2, 0x1p-9, 100); });
}

}  // namespace
}  // namespace thex::ckks
