// Base conversion of whole polynomials (Halevi, Polyakov, Shoup, CT-RSA 2019). Internal to ckks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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
  void convert(std::span<const Row> dst, std::span<const LimbIndex> targets) const;

 private:
  const Context* context_;
  const BaseConversion* conversion_;
  ring::Buffer quotient_;
  std::vector<ConstRow> rows_;
};

// dst = inverse NTT of a * (M/m_k)^-1, what ConversionSource wants of source k; dst may equal a.
void to_conversion_row(const Context& context, const BaseConversion& conversion, std::size_t k, Row dst, ConstRow a);

}  // namespace thex::ckks
