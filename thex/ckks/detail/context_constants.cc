#include "thex/ckks/detail/context_constants.h"

#include <algorithm>
#include <cmath>

namespace thex::ckks {

BaseConversion make_base_conversion(const Context& context, std::vector<LimbIndex> sources,
                                    std::span<const LimbIndex> targets) {
  BaseConversion conversion;
  // Product of all sources except `skip`, modulo prime t.
  const auto product_without = [&](std::size_t skip, const ring::Modulus& t) {
    std::uint64_t product = 1;
    for (std::size_t k = 0; k < sources.size(); ++k) {
      if (k != skip) product = t.mul(product, t.reduce(context.prime(sources[k]).value()));
    }
    return product;
  };
  for (std::size_t k = 0; k < sources.size(); ++k) {
    const ring::Modulus& m = context.prime(sources[k]);
    conversion.hat_inverse.push_back(m.inverse(product_without(k, m)));
    conversion.reciprocal.push_back(1.0 / static_cast<double>(m.value()));
  }
  conversion.factors.resize(context.prime_count());
  for (const LimbIndex target : targets) {
    const ring::Modulus& t = context.prime(target);
    auto& factors = conversion.factors[target];
    for (std::size_t k = 0; k < sources.size(); ++k) factors.push_back(product_without(k, t));
    factors.push_back(t.neg(product_without(sources.size(), t)));
  }
  conversion.sources = std::move(sources);
  return conversion;
}

namespace {

void append(std::vector<LimbIndex>& list, LimbRange range) {
  for (const LimbIndex i : range) list.push_back(i);
}

}  // namespace

void fill_constants(const Context& context, Context::Constants& constants) {
  const std::size_t chain = context.max_level().limbs(), alpha = context.digit_limbs();
  std::vector<LimbIndex> specials, chain_primes;
  append(chain_primes, LimbRange(0, chain));
  append(specials, LimbRange(chain, context.prime_count()));

  for (std::size_t begin = 0; begin < chain; begin += alpha) {
    auto& sizes = constants.digits.emplace_back();
    const std::size_t full = std::min(alpha, chain - begin);
    for (std::size_t limbs = 1; limbs <= full; ++limbs) {
      std::vector<LimbIndex> sources, targets;
      append(sources, LimbRange(begin, begin + limbs));
      append(targets, LimbRange(0, begin));
      // A short digit is the last one of its level: no chain primes follow.
      append(targets, LimbRange(limbs == full ? begin + full : chain, context.prime_count()));
      sizes.push_back(make_base_conversion(context, std::move(sources), targets));
    }
  }
  constants.special = make_base_conversion(context, specials, chain_primes);

  double log_q = 0;
  for (const LimbIndex i : chain_primes) {
    const ring::Modulus& q = context.prime(i);
    std::uint64_t p = 1, below = 1;
    for (const LimbIndex s : specials) p = q.mul(p, q.reduce(context.prime(s).value()));
    for (const LimbIndex k : LimbRange(0, i)) below = q.mul(below, q.reduce(context.prime(k).value()));
    constants.p.push_back(p);
    constants.p_inverse.push_back(q.inverse(p));
    constants.garner.push_back(q.inverse(below));
    auto& inverses = constants.q_inverse.emplace_back();
    auto& with_special = constants.pq_inverse.emplace_back();
    for (const LimbIndex k : LimbRange(0, i)) {
      inverses.push_back(context.prime(k).inverse(q.value()));
      with_special.push_back(context.prime(k).mul(inverses.back(), constants.p_inverse[k]));
    }
    std::vector<LimbIndex> removed = specials;
    removed.push_back(i);
    constants.last.push_back(make_base_conversion(context, {i}, std::span(chain_primes).first(i)));
    constants.special_and.push_back(make_base_conversion(context, removed, std::span(chain_primes).first(i)));
    log_q += std::log2(static_cast<double>(q.value()));
    constants.log_q.push_back(log_q);
  }
}

}  // namespace thex::ckks
