#include "thex/ckks/detail/key_switching.h"

#include <algorithm>
#include <string>

#include "thex/base/error.h"
#include "thex/ckks/detail/new_ciphertext.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {

using ring::kernels;
using ring::Poly;

void Automorphism::permute(Row dst, ConstRow values, std::size_t to) const {
  // Where the whole row would begin: the indices count from there.
  const std::uintptr_t row = reinterpret_cast<std::uintptr_t>(values) - source(to) * sizeof(std::uint64_t);
  kernels().permute(dst, reinterpret_cast<ConstRow>(row), index_ + to, kRange);
}

void KeyProduct::use_prime(LimbIndex index) {
  index_ = index;
  const auto& p = context_->constants().p;
  if (index < p.size()) std::fill_n(p_.data(), kRange, p[index]);
}

void KeyProduct::range(Row dst, std::span<const ConstRow> digits, const SwitchingKey& key, std::size_t p,
                       ConstRow addend, std::size_t offset) {
  const std::vector<Poly>& half = p == 0 ? key.b : key.a;
  const std::size_t position = limb_position(*context_, key.level, index_);
  first_.clear();
  second_.clear();
  for (std::size_t d = 0; d < digits.size(); ++d) {
    first_.push_back(digits[d] + offset);
    second_.push_back(half[d].limb(position) + offset);
  }
  if (addend != nullptr) {
    first_.push_back(addend + offset);
    second_.push_back(p_.data());
  }
  kernels().inner_product(dst, first_.data(), second_.data(), first_.size(), kRange, context_->prime(index_));
}

void check_key(const char* operation, const Context& context, const SwitchingKey& key, Level level) {
  if (key.level < level) {
    throw Error(ErrorCode::keys, std::string(operation) + ": the key is made for level " + to_string(key.level) +
                                     ", but the ciphertext is at level " + to_string(level));
  }
  const std::size_t digits = context.digit_count(key.level);
  const std::size_t limbs = key.level.limbs() + context.special_count();
  bool good = key.level <= context.max_level() && key.b.size() == digits && key.a.size() == digits;
  for (std::size_t d = 0; good && d < digits; ++d) {
    good = key.b[d].n() == context.n() && key.a[d].n() == context.n() && key.b[d].limbs() == limbs &&
           key.a[d].limbs() == limbs;
  }
  if (!good) throw Error(ErrorCode::keys, std::string(operation) + ": the key was made for other CKKS parameters");
}

namespace {

// Calls f(first, indices) for `all` in groups of kConversionGroup, `first` being where a group begins.
template <typename F>
void in_groups(std::span<const LimbIndex> all, F&& f) {
  for (std::size_t first = 0; first < all.size(); first += kConversionGroup) {
    f(first, all.subspan(first, std::min(kConversionGroup, all.size() - first)));
  }
}

ConstRow addend_row(const KeySwitch& what, std::size_t p, LimbIndex index) {
  const Poly* const addend = what.addends[p];
  return addend != nullptr && index < addend->limbs() ? addend->limb(index) : nullptr;
}

// The sum modulo the primes of the divisor.
Remainders remainders_of(const Context& context, const KeySwitch& what, KeyProduct& product) {
  Remainders remainders(context, what.divisor, 2);
  in_groups(what.divisor.removed(), [&](std::size_t first, std::span<const LimbIndex> indices) {
    DigitRows digits = what.digits.rows(indices);
    for (std::size_t g = 0; g < indices.size(); ++g) {
      product.use_prime(indices[g]);
      for (std::size_t at = 0; at < context.n(); at += kRange) {
        for (std::size_t p = 0; p < 2; ++p) {
          product.range(remainders.row(p, first + g) + at, digits.of(g), what.key, p, addend_row(what, p, indices[g]),
                        at);
        }
      }
      for (std::size_t p = 0; p < 2; ++p) remainders.take(p, first + g, remainders.row(p, first + g));
    }
  });
  remainders.close();
  return remainders;
}

}  // namespace

Ciphertext switch_key(const Context& context, const KeySwitch& what, double scale) {
  KeyProduct product(context);
  const Remainders remainders = remainders_of(context, what, product);
  Ciphertext result = new_ciphertext(context, 2, Level::of_limbs(what.divisor.limbs), scale);
  std::vector<LimbIndex> kept;
  for (const LimbIndex i : result.level.primes()) kept.push_back(i);
  Poly converted(context.n(), 2 * kConversionGroup);
  ring::Buffer unpermuted(kRange);
  in_groups(kept, [&](std::size_t first, std::span<const LimbIndex> indices) {
    for (std::size_t p = 0; p < 2; ++p) {
      Row rows[kConversionGroup];
      for (std::size_t g = 0; g < indices.size(); ++g) rows[g] = converted.limb(p * kConversionGroup + g);
      remainders.convert(p, first, std::span(rows, indices.size()));
    }
    DigitRows digits = what.digits.rows(indices);
    for (std::size_t g = 0; g < indices.size(); ++g) {
      const LimbIndex i = indices[g];
      const Row remainder[2] = {converted.limb(g), converted.limb(kConversionGroup + g)};
      for (const Row row : remainder) kernels().ntt_forward(row, context.ntt(i));
      product.use_prime(i);
      for (std::size_t to = 0; to < context.n(); to += kRange) {
        const std::size_t from = what.automorphism != nullptr ? what.automorphism->source(to) : to;
        for (std::size_t p = 0; p < 2; ++p) {
          const Row out = result.parts[p].limb(i) + to;
          const Row quotient = what.automorphism != nullptr ? unpermuted.data() : out;
          product.range(quotient, digits.of(g), what.key, p, addend_row(what, p, i), from);
          kernels().sub_mul_scalar(quotient, quotient, remainder[p] + from, what.divisor.inverses[i], kRange,
                                   context.prime(i));
          if (what.automorphism != nullptr) what.automorphism->permute(out, quotient, to);
        }
      }
    }
  });
  return result;
}

}  // namespace thex::ckks
