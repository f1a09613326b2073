// The gadget decomposition of hybrid key switching (Han and Ki, ePrint 2019/688): digit d of a polynomial is what its
// residues modulo the d-th alpha primes of the chain say, an integer below their product, wanted modulo all primes.
// Modulo its own primes it is the polynomial itself; the other rows come from a base conversion and a transform.
// Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/ckks/detail/base_conversion.h"
#include "thex/ckks/evaluator.h"

namespace thex::ckks {

// Rows of all digits modulo a few primes, used by one thread.
class DigitRows {
 public:
  // Digit d modulo the g-th prime, for all d, in the NTT domain. The first call for a prime transforms its rows:
  // transforms modulo one prime ought to follow each other, because their tables are larger than a row.
  std::span<const ConstRow> of(std::size_t g) {
    for (; untransformed_ != pending_.size() && pending_[untransformed_].first == g; ++untransformed_) {
      transform(g, pending_[untransformed_].second);
    }
    return std::span(rows_).subspan(g * count_, count_);
  }

 private:
  friend class FreshDigits;
  friend class StoredDigits;
  DigitRows(const Context& context, std::span<const LimbIndex> indices, std::size_t count)
      : context_(&context), indices_(indices), count_(count), rows_(indices.size() * count) {}
  void transform(std::size_t g, Row row) const;

  const Context* context_;
  std::span<const LimbIndex> indices_;
  std::size_t count_;           // of digits
  std::vector<ConstRow> rows_;  // [g * count + d]
  ring::Poly scratch_;
  std::vector<std::pair<std::size_t, Row>> pending_;  // (g, row), g ascending: still coefficients
  std::size_t untransformed_ = 0;
};

// The digits of one polynomial, given a few primes at a time.
class Digits {
 public:
  virtual ~Digits() = default;
  virtual std::size_t count() const = 0;
  // Modulo the primes `indices` (context numbering), which must outlive the result.
  virtual DigitRows rows(std::span<const LimbIndex> indices) const = 0;
};

// Digits made on the way: only the rows in use are ever there.
class FreshDigits : public Digits {
 public:
  // `c` has level + 1 limbs (NTT domain) and must outlive this object.
  FreshDigits(const Context& context, const ring::Poly& c, Level level, const ParallelFor& parallel = serial_for);

  std::size_t count() const override { return digits_.size(); }
  DigitRows rows(std::span<const LimbIndex> indices) const override;
  // All rows, to be used several times.
  Decomposition decompose(const ParallelFor& parallel) const;

 private:
  // Digit d holds chain prime `index`: its row is the polynomial's own limb.
  bool holds(std::size_t d, LimbIndex index) const {
    return index < c_->limbs() && index / context_->digit_limbs() == d;
  }
  // Puts the digits modulo `indices` where row(d, g) says, coefficients, but those that hold the prime.
  template <typename RowOf>
  void convert(std::span<const LimbIndex> indices, const RowOf& row) const;

  const Context* context_;
  const ring::Poly* c_;
  Level level_;
  ring::Poly coefficients_;
  std::vector<ConversionSource> digits_;
};

// The digits of a Decomposition.
class StoredDigits : public Digits {
 public:
  StoredDigits(const Context& context, const Decomposition& decomposition)
      : context_(&context), decomposition_(&decomposition) {}

  std::size_t count() const override { return decomposition_->digits.size(); }
  DigitRows rows(std::span<const LimbIndex> indices) const override;

 private:
  const Context* context_;
  const Decomposition* decomposition_;
};

}  // namespace thex::ckks
