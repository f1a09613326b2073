#include "thex/circuit/operation_work.h"

#include <algorithm>

#include "thex/ckks/context.h"

namespace thex::circuit {

RowWork operator+(const RowWork& a, const RowWork& b) {
  return {a.transforms + b.transforms, a.converted + b.converted, a.conversions + b.conversions,
          a.key_rows + b.key_rows,     a.factors + b.factors,     a.products + b.products};
}

RowWork operator*(double count, const RowWork& a) {
  return {count * a.transforms, count * a.converted, count * a.conversions,
          count * a.key_rows,   count * a.factors,   count * a.products};
}

OperationWork::OperationWork(std::size_t limbs, std::size_t digit_limbs, std::size_t special)
    : limbs_(static_cast<double>(limbs)),
      special_(static_cast<double>(special)),
      digits_(static_cast<double>(ckks::digits_of(limbs, digit_limbs))),
      alpha_(static_cast<double>(std::min(limbs, digit_limbs))) {}

RowWork OperationWork::decompose() const {
  const double converted = digits_ * (limbs_ + special_) - limbs_;
  return {.transforms = limbs_ + converted, .converted = converted, .conversions = converted * alpha_};
}

RowWork OperationWork::key_product() const { return {.key_rows = 2 * digits_ * (limbs_ + special_)}; }

RowWork OperationWork::divide() const {
  return {.transforms = special_ + limbs_, .converted = limbs_, .conversions = limbs_ * special_, .products = limbs_};
}

RowWork OperationWork::divide_rescale() const {
  const double kept = limbs_ - 1;
  return {.transforms = special_ + limbs_, .converted = kept, .conversions = kept * (special_ + 1), .products = kept};
}

RowWork OperationWork::rescale() const { return {.transforms = 2 * limbs_, .products = 2 * (limbs_ - 1)}; }

RowWork OperationWork::transform_factor() const { return {.factors = 2 * (limbs_ + special_)}; }

}  // namespace thex::circuit
