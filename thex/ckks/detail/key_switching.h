// Hybrid key switching (Han and Ki, ePrint 2019/688; Bossuat and others, EUROCRYPT 2021): the digits of a polynomial
// times a key, plus an addend, divided by P and permuted. Internal to ckks.
//
// switch_key() walks through the primes a few at a time, so that the rows in flight (digits, sums, remainders) stay in
// the second-level cache while the key streams past once; element-wise work is done for one range of a row at a time,
// from the digits to the result, in the first-level cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "thex/ckks/ciphertext.h"
#include "thex/ckks/detail/digits.h"
#include "thex/ckks/detail/division.h"
#include "thex/ckks/keys.h"
#include "thex/ring/memory_pool.h"

namespace thex::ckks {

// Values of a row worked on at a time. It divides every N.
inline constexpr std::size_t kRange = 1024;

// An automorphism in the bit-reversed NTT domain. It maps aligned power-of-two ranges onto such ranges (a range fixes
// the exponent modulo a power of two), so each range of the result needs one range.
class Automorphism {
 public:
  // The permutation must outlive this object, as Context::permutation's do.
  explicit Automorphism(const std::vector<std::uint32_t>& permutation) : index_(permutation.data()) {}

  // Where the range begins that is mapped onto the one at `to`.
  std::size_t source(std::size_t to) const { return index_[to] / kRange * kRange; }
  // dst = the range at `to` of the result, from `values` = the range at source(to).
  void permute(Row dst, ConstRow values, std::size_t to) const;

 private:
  const std::uint32_t* index_;
};

// Digits times key, plus an addend: the sum that a key switch divides by P. Memory of one worker.
class KeyProduct {
 public:
  explicit KeyProduct(const Context& context) : context_(&context), p_(kRange) {}

  // From now on modulo prime `index` (context numbering).
  void use_prime(LimbIndex index);
  // dst = the range at `offset` of sum_d digits[d] key_d (+ P addend): part p of the key. `digits` and `addend` are
  // whole rows; the addend may be nullptr, and is modulo the special primes, where P is zero.
  void range(Row dst, std::span<const ConstRow> digits, const SwitchingKey& key, std::size_t p, ConstRow addend,
             std::size_t offset);

 private:
  const Context* context_;
  ring::Buffer p_;  // P modulo the prime, kRange times: P addend is one more product
  LimbIndex index_;
  std::vector<ConstRow> first_, second_;
};

// Refuses a key that does not belong to the context or does not reach up to the level.
void check_key(const char* operation, const Context& context, const SwitchingKey& key, Level level);

// (digits * key + P addends) / divisor, permuted: both parts.
struct KeySwitch {
  const SwitchingKey& key;
  const Digits& digits;
  const ring::Poly* addends[2];  // for each part of the key, at the digits' level; nullptr: none
  Divisor divisor;
  const Automorphism* automorphism = nullptr;  // none: the identity
};

// The quotient as a ciphertext with the limbs that stay.
Ciphertext switch_key(const Context& context, const KeySwitch& what, double scale);

}  // namespace thex::ckks
