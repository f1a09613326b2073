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

void ConversionSource::convert(std::span<const Row> dst, std::span<const LimbIndex> targets) const {
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
  kernels().ntt_inverse_scaled(dst, a, conversion.hat_inverse[k], context.ntt(conversion.sources[k]));
}

}  // namespace thex::ckks
