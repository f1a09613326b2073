// Hybrid key switching (Han and Ki, ePrint 2019/688): digits of alpha primes, raised to all primes, times the key,
// divided by P. Internal to ckks.
//
// Everything runs a few primes at a time, so that the rows in flight (the digits, two sums, the converted rows) stay in
// the second-level cache while the keys stream past once; and all transforms modulo one prime follow each other,
// because their tables are larger than the rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/ckks/detail/base_conversion.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ckks/evaluator.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {

// Calls f(indices) for `all` in groups of at most `size`.
template <typename F>
void in_groups(std::span<const std::size_t> all, std::size_t size, F&& f) {
  for (std::size_t begin = 0; begin < all.size(); begin += size) {
    f(all.subspan(begin, std::min(size, all.size() - begin)));
  }
}

// Refuses a key that does not belong to the context or does not reach up to the level.
void check_key(const char* operation, const Context& context, const SwitchingKey& key, int level);

// The digits of c, a polynomial at that level.
Decomposition decompose(const Context& context, const ring::Poly& c, int level, const ParallelFor& parallel);

// What a sum of digits times a key is divided by: P, or P q_level when a rescaling follows. The division takes off the
// remainder modulo the divisor, known from the primes that are in it, and multiplies by the inverse.
struct Divisor {
  const BaseConversion& conversion;            // from the primes of the divisor to the primes that stay
  const std::vector<std::uint64_t>& inverses;  // of the divisor, modulo the primes that stay: q_0, q_1, ..
  std::size_t limbs;                           // how many stay
};

inline Divisor special_divisor(const Context& context, int level) {
  const auto& constants = context.constants();
  return {constants.special, constants.p_inverse, static_cast<std::size_t>(level) + 1};
}

inline Divisor rescaling_divisor(const Context& context, int level) {
  const auto l = static_cast<std::size_t>(level);
  return {context.constants().special_and[l], context.constants().pq_inverse[l], l};
}

// The digits of `c`, made on the way.
class FreshDigits {
 public:
  FreshDigits(const Context& context, const ring::Poly& c, int level)
      : context_(&context),
        source_(context, c, level, serial_for),
        scratch_(context.n(), kConversionGroup * source_.count()) {}

  std::size_t count() const { return source_.count(); }

  // rows[g * count() + d] = digit d modulo prime indices[g], once transform(g) has been called; valid until the next
  // call.
  void get(std::span<const std::size_t> indices, ConstRow* rows) {
    fresh_.clear();
    indices_.assign(indices.begin(), indices.end());
    for (std::size_t d = 0; d < count(); ++d) {
      dst_.clear();
      targets_.clear();
      for (std::size_t g = 0; g < indices.size(); ++g) {
        ConstRow& row = rows[g * count() + d];
        if (source_.holds(d, indices[g])) {
          row = source_.limb(indices[g]);
        } else {
          dst_.push_back(scratch_.limb(g * count() + d));
          targets_.push_back(indices[g]);
          row = dst_.back();
          fresh_.emplace_back(g, dst_.back());
        }
      }
      source_.convert(d, dst_, targets_);
    }
  }

  void transform(std::size_t g) const {
    for (const auto& [of, row] : fresh_) {
      if (of == g) ring::kernels().ntt_forward(row, context_->ntt(indices_[g]));
    }
  }

 private:
  const Context* context_;
  DigitSource source_;
  ring::Poly scratch_;
  std::vector<std::pair<std::size_t, Row>> fresh_;  // (g, row): the rows that are not the polynomial's own
  std::vector<std::size_t> indices_;
  std::vector<Row> dst_;
  std::vector<std::size_t> targets_;
};

// The digits of a Decomposition.
class StoredDigits {
 public:
  StoredDigits(const Context& context, const Decomposition& decomposition)
      : context_(&context), decomposition_(&decomposition) {}

  std::size_t count() const { return decomposition_->digits.size(); }

  void get(std::span<const std::size_t> indices, ConstRow* rows) const {
    for (const std::size_t index : indices) {
      const std::size_t position = limb_position(*context_, decomposition_->level, index);
      for (const ring::Poly& digit : decomposition_->digits) *rows++ = digit.limb(position);
    }
  }

  void transform(std::size_t) const {}

 private:
  const Context* context_;
  const Decomposition* decomposition_;
};

// Element-wise work is done for this many values of a row at a time, from the digits to the result. It divides every N.
inline constexpr std::size_t kKeySwitchChunk = 2048;

// A range of one row of a result: part p, modulo prime `index` (context numbering), values offset .. offset + count.
struct Chunk {
  std::size_t p, index, offset, count;
};

// (sum_d digit_d key_d + addend) / divisor for both parts of the key, prime by prime and chunk by chunk. `task` says
// what surrounds it, by functions that get a chunk and pointers to its first value:
//   source(b)                 which chunk of the row is worked on as the b-th one: a permutation of the chunks;
//   before(chunk, sum, spare) adds the addend to the sum; spare is free memory;
//   destination(p, i)         the row for the quotient modulo q_i, or nullptr for a temporary one (no addend then);
//   after(b, chunk, row)      gets the quotient; here `row` is the whole row, valid in this chunk.
template <typename Digits, typename Task>
void switch_key(const Context& context, const SwitchingKey& key, const Divisor& divisor, Digits&& digits, Task&& task) {
  const std::size_t n = context.n(), count = digits.count(), chunks = n / kKeySwitchChunk;
  constexpr std::size_t group = kConversionGroup;
  const std::vector<std::size_t>& removed = divisor.conversion.sources;
  const auto& kernels = ring::kernels();
  std::vector<ConstRow> rows(group * count), digit_rows(count), key_rows(count);
  ring::Poly sums(n, 2), remainder(n, 2 * group);

  // dst = the chunk of the sum of the g-th digit rows times the key.
  const auto multiply = [&](Row dst, std::size_t g, const Chunk& chunk) {
    const std::vector<ring::Poly>& half = chunk.p == 0 ? key.b : key.a;
    const std::size_t position = limb_position(context, key.level, chunk.index);
    for (std::size_t d = 0; d < count; ++d) {
      digit_rows[d] = rows[g * count + d] + chunk.offset;
      key_rows[d] = half[d].limb(position) + chunk.offset;
    }
    kernels.inner_product(dst, digit_rows.data(), key_rows.data(), count, chunk.count, context.prime(chunk.index));
  };

  ring::Poly residues[2] = {ring::Poly(n, removed.size()), ring::Poly(n, removed.size())};
  std::size_t k = 0;
  in_groups(removed, group, [&](std::span<const std::size_t> indices) {
    digits.get(indices, rows.data());
    for (std::size_t g = 0; g < indices.size(); ++g, ++k) {
      digits.transform(g);
      for (std::size_t b = 0; b < chunks; ++b) {
        for (std::size_t p = 0; p < 2; ++p) {
          const Chunk chunk{p, indices[g], b * kKeySwitchChunk, kKeySwitchChunk};
          const Row sum = residues[p].limb(k) + chunk.offset;
          multiply(sum, g, chunk);
          task.before(chunk, sum, sums.limb(0));
        }
      }
      for (ring::Poly& part : residues) to_conversion_row(context, divisor.conversion, k, part.limb(k), part.limb(k));
    }
  });
  std::vector<ConversionSource> remainders;
  for (const ring::Poly& part : residues) {
    std::vector<ConstRow> source;
    for (std::size_t j = 0; j < part.limbs(); ++j) source.push_back(part.limb(j));
    remainders.emplace_back(context, divisor.conversion, std::move(source));
  }

  std::vector<std::size_t> kept(divisor.limbs);
  for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = i;
  in_groups(kept, group, [&](std::span<const std::size_t> indices) {
    std::vector<Row> converted(indices.size());
    for (std::size_t p = 0; p < 2; ++p) {
      for (std::size_t g = 0; g < indices.size(); ++g) converted[g] = remainder.limb(p * group + g);
      remainders[p].convert(converted, indices);
    }
    digits.get(indices, rows.data());
    for (std::size_t g = 0; g < indices.size(); ++g) {
      const std::size_t i = indices[g];
      for (std::size_t p = 0; p < 2; ++p) kernels.ntt_forward(remainder.limb(p * group + g), context.ntt(i));
      digits.transform(g);
      for (std::size_t b = 0; b < chunks; ++b) {
        for (std::size_t p = 0; p < 2; ++p) {
          const Chunk chunk{p, i, task.source(b) * kKeySwitchChunk, kKeySwitchChunk};
          const Row wanted = task.destination(p, i), row = wanted != nullptr ? wanted : sums.limb(p);
          const Row quotient = row + chunk.offset;
          multiply(quotient, g, chunk);
          task.before(chunk, quotient, sums.limb(p));
          kernels.sub_mul_scalar(quotient, quotient, remainder.limb(p * group + g) + chunk.offset, divisor.inverses[i],
                                 chunk.count, context.prime(i));
          task.after(b, chunk, row);
        }
      }
    }
  });
}

}  // namespace thex::ckks
