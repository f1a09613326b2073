#include "thex/ckks/detail/digits.h"

#include <algorithm>

#include "thex/ckks/keys.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {

using ring::kernels;

void DigitRows::transform(std::size_t g, Row row) const { kernels().ntt_forward(row, context_->ntt(indices_[g])); }

FreshDigits::FreshDigits(const Context& context, const ring::Poly& c, Level level, const ParallelFor& parallel)
    : context_(&context), c_(&c), level_(level), coefficients_(context.n(), level.limbs()) {
  const std::size_t limbs = coefficients_.limbs(), alpha = context.digit_limbs();
  const auto conversion = [&](std::size_t d) -> const BaseConversion& {
    return context.constants().digit(d, std::min(alpha, limbs - d * alpha));
  };
  parallel(limbs, [&](std::size_t i) {
    to_conversion_row(context, conversion(i / alpha), i % alpha, coefficients_.limb(i), c.limb(i));
  });
  for (std::size_t begin = 0; begin < limbs; begin += alpha) {
    std::vector<ConstRow> rows;
    for (std::size_t i = begin; i < std::min(begin + alpha, limbs); ++i) rows.push_back(coefficients_.limb(i));
    digits_.emplace_back(context, conversion(begin / alpha), std::move(rows));
  }
}

template <typename RowOf>
void FreshDigits::convert(std::span<const LimbIndex> indices, const RowOf& row) const {
  std::vector<Row> dst;
  std::vector<LimbIndex> targets;
  dst.reserve(indices.size());
  targets.reserve(indices.size());
  for (std::size_t d = 0; d < count(); ++d) {
    dst.clear();
    targets.clear();
    for (std::size_t g = 0; g < indices.size(); ++g) {
      if (holds(d, indices[g])) continue;
      dst.push_back(row(d, g));
      targets.push_back(indices[g]);
    }
    digits_[d].convert(dst, targets);
  }
}

DigitRows FreshDigits::rows(std::span<const LimbIndex> indices) const {
  DigitRows result(*context_, indices, count());
  result.scratch_ = ring::Poly(context_->n(), indices.size() * count());
  const auto scratch = [&](std::size_t d, std::size_t g) { return result.scratch_.limb(g * count() + d); };
  convert(indices, scratch);
  result.pending_.reserve(indices.size() * count());
  for (std::size_t g = 0; g < indices.size(); ++g) {
    for (std::size_t d = 0; d < count(); ++d) {
      const bool own = holds(d, indices[g]);
      result.rows_[g * count() + d] = own ? c_->limb(indices[g]) : scratch(d, g);
      if (!own) result.pending_.emplace_back(g, scratch(d, g));
    }
  }
  return result;
}

Decomposition FreshDigits::decompose(const ParallelFor& parallel) const {
  const std::size_t limbs = c_->limbs() + context_->special_count();
  Decomposition result;
  result.level = level_;
  for (std::size_t d = 0; d < count(); ++d) result.digits.emplace_back(context_->n(), limbs);
  parallel((limbs + kConversionGroup - 1) / kConversionGroup, [&](std::size_t group) {
    const std::size_t first = group * kConversionGroup, end = std::min(first + kConversionGroup, limbs);
    std::vector<LimbIndex> indices;
    for (std::size_t position = first; position < end; ++position) {
      indices.push_back(limb_prime(*context_, level_, position));
    }
    convert(indices, [&](std::size_t d, std::size_t g) { return result.digits[d].limb(first + g); });
    for (std::size_t g = 0; g < indices.size(); ++g) {
      for (std::size_t d = 0; d < count(); ++d) {
        const Row row = result.digits[d].limb(first + g);
        if (holds(d, indices[g])) {
          std::copy_n(c_->limb(indices[g]), context_->n(), row);
        } else {
          kernels().ntt_forward(row, context_->ntt(indices[g]));
        }
      }
    }
  });
  return result;
}

DigitRows StoredDigits::rows(std::span<const LimbIndex> indices) const {
  DigitRows result(*context_, indices, count());
  for (std::size_t g = 0; g < indices.size(); ++g) {
    const std::size_t position = limb_position(*context_, decomposition_->level, indices[g]);
    for (std::size_t d = 0; d < count(); ++d) {
      result.rows_[g * count() + d] = decomposition_->digits[d].limb(position);
    }
  }
  return result;
}

}  // namespace thex::ckks
