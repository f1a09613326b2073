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

// A few primes that are worked on together, and the place of the first of them among all.
struct Group {
  std::size_t first;
  std::span<const LimbIndex> primes;
};

std::vector<Group> groups(std::span<const LimbIndex> all) {
  std::vector<Group> result;
  for (std::size_t first = 0; first < all.size(); first += kConversionGroup) {
    result.push_back({first, all.subspan(first, std::min(kConversionGroup, all.size() - first))});
  }
  return result;
}

std::vector<LimbIndex> first_primes(std::size_t count) {
  std::vector<LimbIndex> result;
  for (const LimbIndex i : LimbRange(0, count)) result.push_back(i);
  return result;
}

ConstRow addend_row(const KeySwitch& what, std::size_t p, LimbIndex prime) {
  const Poly* const addend = what.addends[p];
  return addend != nullptr && prime < addend->limbs() ? addend->limb(prime) : nullptr;
}

// The remainders of both parts modulo a few of the primes that stay: rows g and kConversionGroup + g of `to`, for the
// g-th of them.
void convert(const Remainders& remainders, const Group& group, Poly& to) {
  for (std::size_t p = 0; p < 2; ++p) {
    Row rows[kConversionGroup];
    for (std::size_t g = 0; g < group.primes.size(); ++g) rows[g] = to.limb(p * kConversionGroup + g);
    remainders.convert(p, group.first, std::span(rows, group.primes.size()));
  }
}

}  // namespace

// The walk of one residue, from where FreshDigits has made it a coefficient with the constant of its digit (or from
// where a Decomposition holds its digits). In a rotation it is a residue of c_1, the addend is c_0 and the divisor P.
Ciphertext switch_key(const Context& context, const KeySwitch& what, double scale) {
  KeyProduct product(context);
  // A range of the sum: every digit times the key, and P times the addend.
  const auto sum = [&](Row dst, std::span<const ConstRow> digits, std::size_t p, LimbIndex prime, std::size_t at) {
    product.range(dst, digits, what.key, p, addend_row(what, p, prime), at);
  };
  // Modulo the primes that are divided away, the sum is the remainder of the division.
  Remainders remainders(context, what.divisor, 2);
  for (const Group& group : groups(what.divisor.removed())) {
    DigitRows digits = what.digits.rows(group.primes);  // base conversion
    for (std::size_t g = 0; g < group.primes.size(); ++g) {
      const std::span<const ConstRow> rows = digits.of(g);  // forward transform
      product.use_prime(group.primes[g]);
      const Row dst[2] = {remainders.row(0, group.first + g), remainders.row(1, group.first + g)};
      for (std::size_t at = 0; at < context.n(); at += kRange) {
        for (std::size_t p = 0; p < 2; ++p) sum(dst[p] + at, rows, p, group.primes[g], at);
      }
      for (std::size_t p = 0; p < 2; ++p) remainders.take(p, group.first + g, dst[p]);  // inverse transform
    }
  }
  remainders.close();
  // Modulo the primes that stay: the sum, less the remainder, over the divisor, permuted.
  Ciphertext result = new_ciphertext(context, 2, Level::of_limbs(what.divisor.limbs), scale);
  Poly converted(context.n(), 2 * kConversionGroup);
  ring::Buffer unpermuted(kRange);
  const std::vector<LimbIndex> kept = first_primes(what.divisor.limbs);
  for (const Group& group : groups(kept)) {
    convert(remainders, group, converted);  // base conversion
    DigitRows digits = what.digits.rows(group.primes);
    for (std::size_t g = 0; g < group.primes.size(); ++g) {
      const LimbIndex i = group.primes[g];
      const Row remainder[2] = {converted.limb(g), converted.limb(kConversionGroup + g)};
      for (const Row row : remainder) kernels().ntt_forward(row, context.ntt(i));
      const std::span<const ConstRow> rows = digits.of(g);
      product.use_prime(i);
      for (std::size_t to = 0; to < context.n(); to += kRange) {
        const std::size_t from = what.automorphism != nullptr ? what.automorphism->source(to) : to;
        for (std::size_t p = 0; p < 2; ++p) {
          const Row out = result.parts[p].limb(i) + to;
          const Row quotient = what.automorphism != nullptr ? unpermuted.data() : out;
          sum(quotient, rows, p, i, from);
          kernels().sub_mul_scalar(quotient, quotient, remainder[p] + from, what.divisor.inverses[i], kRange,
                                   context.prime(i));
          if (what.automorphism != nullptr) what.automorphism->permute(out, quotient, to);
        }
      }
    }
  }
  return result;
}

}  // namespace thex::ckks
