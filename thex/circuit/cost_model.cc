#include "thex/circuit/cost_model.h"

#include <cmath>

namespace thex::circuit {
namespace {
constexpr double kButterfly = 1.35e-10;   // seconds
constexpr double kMultiplyAdd = 2.5e-10;  // seconds a word
}  // namespace

double CostModel::ntt() const { return std::ldexp(1.0, log_n) * log_n * 0.5 * kButterfly; }
double CostModel::pass() const { return std::ldexp(1.0, log_n) * kMultiplyAdd; }

double CostModel::decompose(int level) const {
  const double limbs = level + 1;
  const double digits = std::ceil(limbs / digit_limbs);
  const double conversions = digits * (limbs + special) - limbs;
  return (limbs + conversions) * ntt() + conversions * digit_limbs * pass();
}

double CostModel::key_product(int level) const {
  const double limbs = level + 1;
  const double digits = std::ceil(limbs / digit_limbs);
  return 2 * digits * (limbs + special) * pass() + 2 * (special + limbs) * ntt() + 2 * limbs * (special + 1) * pass();
}

double CostModel::rescale(int level) const { return 2 * (level + 1) * ntt() + 4 * level * pass(); }

}  // namespace thex::circuit
