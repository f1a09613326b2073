#include "thex/ckks/detail/division.h"

#include <algorithm>

#include "thex/ckks/keys.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {

using ring::kernels;
using ring::Poly;

Divisor special_divisor(const Context& context, Level level) {
  const auto& constants = context.constants();
  return {constants.special, constants.p_inverse, level.limbs()};
}

Divisor rescaling_divisor(const Context& context, Level level) {
  const LimbIndex l = level.top();
  return {context.constants().special_and[l], context.constants().pq_inverse[l], l};
}

Divisor last_prime_divisor(const Context& context, Level level) {
  const LimbIndex l = level.top();
  return {context.constants().last[l], context.constants().q_inverse[l], l};
}

Remainders::Remainders(const Context& context, const Divisor& divisor, std::size_t parts)
    : context_(&context), divisor_(&divisor) {
  residues_.reserve(parts);
  sources_.reserve(parts);
  for (std::size_t p = 0; p < parts; ++p) residues_.emplace_back(context.n(), divisor.removed().size());
}

void Remainders::take(std::size_t p, std::size_t k, ConstRow row) {
  to_conversion_row(*context_, divisor_->conversion, k, residues_[p].limb(k), row);
}

void Remainders::close() {
  for (const Poly& residues : residues_) {
    std::vector<ConstRow> rows;
    rows.reserve(residues.limbs() + 1);  // and the quotient
    for (std::size_t k = 0; k < residues.limbs(); ++k) rows.push_back(residues.limb(k));
    sources_.emplace_back(*context_, divisor_->conversion, std::move(rows));
  }
}

void Remainders::convert(std::size_t p, std::size_t first, std::span<const Row> dst) const {
  LimbIndex targets[kConversionGroup];
  for (std::size_t t = 0; t < dst.size(); ++t) targets[t] = LimbIndex(first + t);
  sources_[p].convert(dst, std::span(targets, dst.size()));
}

void divide(const Context& context, Level level, const Divisor& divisor, std::span<const Poly* const> polynomials,
            std::span<Poly* const> dst, const ParallelFor& parallel) {
  Remainders remainders(context, divisor, dst.size());
  parallel(divisor.removed().size(), [&](std::size_t k) {
    const std::size_t position = limb_position(context, level, divisor.removed()[k]);
    for (std::size_t p = 0; p < dst.size(); ++p) remainders.take(p, k, polynomials[p]->limb(position));
  });
  remainders.close();
  parallel((divisor.limbs + kConversionGroup - 1) / kConversionGroup, [&](std::size_t group) {
    const std::size_t first = group * kConversionGroup, count = std::min(kConversionGroup, divisor.limbs - first);
    for (std::size_t p = 0; p < dst.size(); ++p) {
      Row converted[kConversionGroup];
      for (std::size_t t = 0; t < count; ++t) converted[t] = dst[p]->limb(first + t);
      remainders.convert(p, first, std::span(converted, count));
    }
    // Transforms modulo one prime follow each other: their tables are larger than a row.
    for (const LimbIndex i : LimbRange(first, first + count)) {
      for (std::size_t p = 0; p < dst.size(); ++p) {
        const Row row = dst[p]->limb(i);
        kernels().divide_transformed(row, polynomials[p]->limb(i), row, divisor.inverses[i], context.ntt(i));
      }
    }
  });
}

}  // namespace thex::ckks
