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

double CostModel::of(const LevelWork& w, int level) const {
  return w.decompositions * decompose(level) + w.key_products * key_multiply(level) + w.divisions * divide(level) +
         w.rescales * rescale(level) + w.transform_products * cached_products(level) + (w.products + w.sums) * pass();
}

double CostModel::ntt() const { return std::ldexp(1.0, log_n) * log_n * 0.5 * kButterfly; }
double CostModel::pass() const { return std::ldexp(1.0, log_n) * kMultiplyAdd; }

double CostModel::decompose(int level) const {
  const double limbs = level + 1;
  const double digits = std::ceil(limbs / digit_limbs);
  const double conversions = digits * (limbs + special) - limbs;
  return (limbs + conversions) * ntt() +
         conversions * (std::min(limbs, static_cast<double>(digit_limbs)) + 4) * std::ldexp(kConversion, log_n);
}

double CostModel::key_multiply(int level) const {
  const double limbs = level + 1;
  const double digits = std::ceil(limbs / digit_limbs);
  return 2 * (limbs + special) * (digits * std::ldexp(kKeyWord, log_n) + pass());
}

double CostModel::divide(int level) const {
  const double limbs = level + 1;
  return (special + limbs) * ntt() + limbs * (special + 4) * std::ldexp(kConversion, log_n) + limbs * pass();
}

double CostModel::rescale(int level) const { return 2 * (level + 1) * ntt() + 4 * level * pass(); }

double CostModel::cached_products(int level) const {
  return 2 * (level + 1 + special) * std::ldexp(kCachedMultiplyAdd, log_n);
}

}  // namespace thex::circuit
