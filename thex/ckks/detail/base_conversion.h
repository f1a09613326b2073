// Base conversion of whole polynomials, and the digits of hybrid key switching made with it. Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/ckks/context.h"
#include "thex/ckks/detail/context_constants.h"
#include "thex/ring/poly.h"

namespace thex::ckks {

using Row = std::uint64_t*;
using ConstRow = const std::uint64_t*;

// How many target primes to convert to at a time: the kernel reads the sources once for all of them, and their rows
// still fit into the second-level cache.
inline constexpr std::size_t kConversionGroup = 4;

// A polynomial given modulo the sources of a base conversion, ready to be converted to other primes.
class ConversionSource {
 public:
  // rows[k]: the coefficients of x (M/m_k)^-1 mod m_k (of x itself when there is one source). They must outlive this
  // object.
  ConversionSource(const Context& context, const BaseConversion& conversion, std::vector<ConstRow> rows);
  ConversionSource(ConversionSource&&) noexcept = default;
  ConversionSource& operator=(ConversionSource&&) noexcept = default;

  // dst[t] = the centred integers modulo prime targets[t], coefficients.
  void convert(std::span<const Row> dst, std::span<const std::size_t> targets) const;

 private:
  const Context* context_;
  const BaseConversion* conversion_;
  ring::Buffer quotient_;
  std::vector<ConstRow> rows_;
};

// dst = inverse NTT of a * (M/m_k)^-1, what ConversionSource wants of source k; dst may equal a.
void to_conversion_row(const Context& context, const BaseConversion& conversion, std::size_t k, Row dst, ConstRow a);

// The digits of one polynomial (NTT domain) at a level, computed for a few primes at a time.
class DigitSource {
 public:
  // `c` has level + 1 limbs and must outlive this object.
  DigitSource(const Context& context, const ring::Poly& c, int level, const ParallelFor& parallel);

  std::size_t count() const { return digits_.size(); }
  // Whether digit d holds chain prime `index`: then its row is the polynomial's own limb.
  bool holds(std::size_t d, std::size_t index) const {
    return index < c_->limbs() && index / context_->digit_limbs() == d;
  }
  ConstRow limb(std::size_t index) const { return c_->limb(index); }
  // dst[t] = digit d modulo prime targets[t], coefficients; the digit holds none of the targets.
  void convert(std::size_t d, std::span<const Row> dst, std::span<const std::size_t> targets) const {
    digits_[d].convert(dst, targets);
  }

 private:
  const Context* context_;
  const ring::Poly* c_;
  ring::Poly coefficients_;
  std::vector<ConversionSource> digits_;
};

}  // namespace thex::ckks
