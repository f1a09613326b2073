#include "thex/circuit/cost_model.h"

#include <algorithm>
#include <cmath>

namespace thex::circuit {
namespace {
constexpr double kButterfly = 1.7e-10;          // seconds
constexpr double kMultiplyAdd = 4e-10;          // seconds a word, from memory
constexpr double kKeyWord = 1e-9;               // a word of a switching key, which streams past from farther away
constexpr double kConversion = 0.9e-10;         // a word and source of a base conversion
constexpr double kCachedMultiplyAdd = 1.2e-10;  // a word in the second-level cache
}  // namespace

CostModel CostModel::of_spec(const ckks::ContextSpec& spec) {
  return {.log_n = spec.log_n, .digit_limbs = spec.digit_limbs, .special = spec.p_bits.size()};
}

double CostModel::of(const LevelWork& w, ckks::Level level) const {
  return w.decompositions * decompose(level) + w.key_products * key_multiply(level) + w.divisions * divide(level) +
         w.rescales * rescale(level) + w.transform_products * cached_products(level) + (w.products + w.sums) * pass();
}

double CostModel::ntt() const { return std::ldexp(1.0, log_n) * log_n * 0.5 * kButterfly; }
double CostModel::pass() const { return std::ldexp(1.0, log_n) * kMultiplyAdd; }

double CostModel::decompose(ckks::Level level) const {
  const double limbs = static_cast<double>(level.limbs());
  const double digits = std::ceil(limbs / static_cast<double>(digit_limbs));
  const double conversions = digits * (limbs + static_cast<double>(special)) - limbs;
  return (limbs + conversions) * ntt() +
         conversions * (std::min(limbs, static_cast<double>(digit_limbs)) + 4) * std::ldexp(kConversion, log_n);
}

double CostModel::key_multiply(ckks::Level level) const {
  const double limbs = static_cast<double>(level.limbs());
  const double digits = std::ceil(limbs / static_cast<double>(digit_limbs));
  return 2 * (limbs + static_cast<double>(special)) * (digits * std::ldexp(kKeyWord, log_n) + pass());
}

double CostModel::divide(ckks::Level level) const {
  const double limbs = static_cast<double>(level.limbs());
  return (static_cast<double>(special) + limbs) * ntt() +
         limbs * (static_cast<double>(special) + 4) * std::ldexp(kConversion, log_n) + limbs * pass();
}

double CostModel::rescale(ckks::Level level) const {
  return static_cast<double>(2 * level.limbs()) * ntt() + static_cast<double>(4 * level.top()) * pass();
}

double CostModel::cached_products(ckks::Level level) const {
  return static_cast<double>(2 * (level.limbs() + special)) * std::ldexp(kCachedMultiplyAdd, log_n);
}

}  // namespace thex::circuit
