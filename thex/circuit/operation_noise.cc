#include "thex/circuit/operation_noise.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "thex/ckks/rounded_ciphertext.h"
#include "thex/ring/random.h"

namespace thex::circuit {
namespace {

constexpr double kErrorVariance = ring::kSigma * ring::kSigma;
constexpr double kRounding = 1.0 / 12;        // variance of a rounding to integers
constexpr double kTernaryVariance = 2.0 / 3;  // of a coefficient of the secret

}  // namespace

OperationNoise::OperationNoise(const ckks::Context& context)
    : n_(static_cast<double>(context.n())), digit_limbs_(context.digit_limbs()) {
  for (ckks::Level level = 0; level <= context.max_level(); ++level) {
    scales_.push_back(context.scale(level));
    primes_.push_back(static_cast<double>(context.prime(level.top()).value()));
  }
  for (std::size_t j = 0; j < context.special_count(); ++j)
    log_p_ += std::log2(static_cast<double>(context.special(j).value()));
}

OperationNoise::OperationNoise(const ckks::ContextSpec& spec)
    : n_(std::ldexp(1.0, spec.log_n)), digit_limbs_(spec.digit_limbs) {
  for (const int bits : spec.q_bits) {
    scales_.push_back(std::ldexp(1.0, spec.log_scale));
    primes_.push_back(std::ldexp(1.0, bits));
  }
  for (const int bits : spec.p_bits) log_p_ += bits;
}

double OperationNoise::coefficients(double variance, double scale) const { return n_ / 2 * variance / (scale * scale); }

double OperationNoise::encryption(double scale) const { return coefficients(kErrorVariance, scale); }

// e_0 + u e + s e_1 with a ternary u.
double OperationNoise::public_encryption(double scale) const {
  return coefficients(kErrorVariance * (1 + 2 * kTernaryVariance * n_), scale);
}

double OperationNoise::encoding(std::size_t period, double scale) const {
  return static_cast<double>(2 * period - 1) * kRounding / (scale * scale);
}

double OperationNoise::rounding(double scale) const {
  return coefficients(kRounding * (1 + kTernaryVariance * n_), scale);
}

double OperationNoise::rounded_sending(double scale) const {
  const ckks::RoundedBits bits = ckks::rounded_bits(std::countr_zero(static_cast<std::size_t>(n_)));
  return coefficients(kRounding * (std::exp2(2 * bits.c0) + std::exp2(2 * bits.c1) * kTernaryVariance * n_), scale);
}

// Centred digits below D times N error coefficients, divided by P.
double OperationNoise::digits(ckks::Level level) const {
  const std::size_t limbs = level.limbs();
  double sum = 0;
  for (std::size_t begin = 0; begin < limbs; begin += digit_limbs_) {
    double log_digit = 0;
    for (std::size_t i = begin; i < std::min(begin + digit_limbs_, limbs); ++i) log_digit += std::log2(primes_[i]);
    sum += std::exp2(2 * (log_digit - log_p_));
  }
  return n_ * kErrorVariance * kRounding * sum;
}

double OperationNoise::key_switch(ckks::Level level, double scale) const {
  return coefficients(digits(level), scale) + rounding(scale);
}

double OperationNoise::relinearize_rescale(ckks::Level level, double scale) const {
  const double q = dropped_prime(level);
  return coefficients(digits(level + 1), scale * q) + rounding(scale);
}

double OperationNoise::lowering(double mean_square, double scale_before, ckks::Level level) const {
  const double constant = scale(level) / scale_before * dropped_prime(level);
  return mean_square * kRounding / (constant * constant) + rounding(scale(level));
}

}  // namespace thex::circuit
