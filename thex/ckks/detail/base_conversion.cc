#include "thex/ckks/detail/base_conversion.h"

#include <algorithm>
#include <array>

#include "thex/ring/kernels.h"

namespace thex::ckks {

using ring::kernels;

namespace {

constexpr std::size_t kMaxTargets = 64;  // of one kernel call

}  // namespace

ConversionSource::ConversionSource(const Context& context, const BaseConversion& conversion, std::vector<ConstRow> rows)
    : context_(&context), conversion_(&conversion), rows_(std::move(rows)) {
  if (rows_.size() < 2) return;
  quotient_ = ring::Buffer(context.n());
  kernels().rounded_quotient(quotient_.data(), rows_.data(), conversion.reciprocal.data(), rows_.size(), context.n());
  rows_.push_back(quotient_.data());
}

void ConversionSource::convert(std::span<const Row> dst, std::span<const std::size_t> targets) const {
  const std::size_t n = context_->n();
  if (rows_.size() == 1) {
    const std::uint64_t source = context_->prime(conversion_->sources[0]).value();
    for (std::size_t t = 0; t < targets.size(); ++t) {
      kernels().switch_modulus(dst[t], rows_[0], source, n, context_->prime(targets[t]));
    }
    return;
  }
  std::array<const std::uint64_t*, kMaxTargets> factors;
  std::array<const ring::Modulus*, kMaxTargets> primes;
  for (std::size_t begin = 0; begin < targets.size(); begin += kMaxTargets) {
    const std::size_t count = std::min(kMaxTargets, targets.size() - begin);
    for (std::size_t t = 0; t < count; ++t) {
      factors[t] = conversion_->factors[targets[begin + t]].data();
      primes[t] = &context_->prime(targets[begin + t]);
    }
    kernels().base_convert(dst.data() + begin, rows_.data(), factors.data(), primes.data(), count, rows_.size(), n);
  }
}

void to_conversion_row(const Context& context, const BaseConversion& conversion, std::size_t k, Row dst, ConstRow a) {
  const std::size_t index = conversion.sources[k];
  if (conversion.sources.size() > 1) {
    kernels().mul_scalar(dst, a, conversion.hat_inverse[k], context.n(), context.prime(index));
  } else if (dst != a) {
    std::copy_n(a, context.n(), dst);
  }
  kernels().ntt_inverse(dst, context.ntt(index));
}

DigitSource::DigitSource(const Context& context, const ring::Poly& c, int level, const ParallelFor& parallel)
    : context_(&context), c_(&c), coefficients_(context.n(), static_cast<std::size_t>(level) + 1) {
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

}  // namespace thex::ckks
