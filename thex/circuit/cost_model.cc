#include "thex/circuit/cost_model.h"

#include <cmath>

#include "thex/circuit/operation_work.h"

namespace thex::circuit {
namespace {
constexpr double kButterfly = 1.7e-10;          // seconds
constexpr double kMultiplyAdd = 4e-10;          // seconds a word, from memory
constexpr double kKeyWord = 1e-9;               // a word of a switching key, which streams past from farther away
constexpr double kConversion = 0.9e-10;         // a word and source of a base conversion
constexpr double kCachedMultiplyAdd = 1.2e-10;  // a word in the second-level cache

OperationWork work_at(const CostModel& model, ckks::Level level) {
  return {level.limbs(), model.digit_limbs, model.special};
}

// A row that is converted is reduced and stored, which takes as long as four of its multiply-adds.
double price(const CostModel& model, const RowWork& work) {
  return work.transforms * model.ntt() +
         (work.conversions + 4 * work.converted) * std::ldexp(kConversion, model.log_n) +
         work.key_rows * std::ldexp(kKeyWord, model.log_n) +
         work.factors * std::ldexp(kCachedMultiplyAdd, model.log_n) + work.products * model.pass();
}

}  // namespace

CostModel CostModel::of_spec(const ckks::ContextSpec& spec) {
  return {.log_n = spec.log_n, .digit_limbs = spec.digit_limbs, .special = spec.p_bits.size()};
}

double CostModel::of(const LevelWork& w, ckks::Level level, const OperationFactors& f) const {
  return f.decompositions * w.decompositions * decompose(level) +
         f.key_products * (w.key_products * key_multiply(level) + w.divisions * divide(level)) +
         f.rescales * w.rescales * rescale(level) +
         f.transform_products * w.transform_products * cached_products(level) +
         f.products * (w.products + w.sums) * pass();
}

double CostModel::ntt() const { return std::ldexp(1.0, log_n) * log_n * 0.5 * kButterfly; }
double CostModel::pass() const { return std::ldexp(1.0, log_n) * kMultiplyAdd; }

double CostModel::decompose(ckks::Level level) const { return price(*this, work_at(*this, level).decompose()); }

// The automorphism writes every row of the result once more.
double CostModel::key_multiply(ckks::Level level) const {
  return price(*this, work_at(*this, level).key_product()) + 2 * static_cast<double>(level.limbs() + special) * pass();
}

double CostModel::divide(ckks::Level level) const { return price(*this, work_at(*this, level).divide()); }

// The dropped row is spread over the others in passes of their own.
double CostModel::rescale(ckks::Level level) const {
  return price(*this, work_at(*this, level).rescale()) + static_cast<double>(2 * level.top()) * pass();
}

double CostModel::cached_products(ckks::Level level) const {
  return price(*this, work_at(*this, level).transform_factor());
}

}  // namespace thex::circuit
