#include "thex/ckks/detail/embedding.h"

#include <algorithm>
#include <complex>
#include <numbers>
#include <string>

#include "tests/support/ckks.h"

namespace thex::ckks {
namespace {

using Wide = std::complex<long double>;

// Real and imaginary parts, aligned as the kernels want them.
struct Split {
  explicit Split(std::size_t h) : memory(std::max<std::size_t>(2 * h, 16)), re(new (memory.data()) double[2 * h]()) {
    im = h >= 8 ? re + h : re + 8;
  }
  ring::Buffer memory;
  double *re, *im;
};

// For every instruction set of this processor.
class EmbeddingOf : public ::testing::TestWithParam<ring::Isa> {
 protected:
  void SetUp() override {
    if (ring::kernels_for(GetParam()) == nullptr) GTEST_SKIP() << "this processor lacks the instruction set";
  }
  Embedding embedding(int max_log_h) const { return Embedding(max_log_h, *ring::kernels_for(GetParam())); }

  static Split random(std::size_t h, std::uint64_t seed) {
    const std::vector<double> m = support::random_reals(2 * h, seed);
    Split split(h);
    for (std::size_t i = 0; i < h; ++i) split.re[i] = m[i], split.im[i] = m[i + h];
    return split;
  }
};

// zeta^exponent for a root of that order.
Wide root(std::size_t exponent, std::size_t order) {
  const long double angle = 2 * std::numbers::pi_v<long double> * static_cast<long double>(exponent % order) /
                            static_cast<long double>(order);
  return {std::cos(angle), std::sin(angle)};
}

// sum_j (re_j + i im_j) zeta^(j 5^i), zeta of order 4h, by the definition in extended precision.
Wide value_at(const Split& m, std::size_t h, std::size_t i) {
  const std::size_t order = 4 * h;
  std::size_t power = 1;
  for (std::size_t k = 0; k < i; ++k) power = power * 5 % order;
  Wide sum = 0;
  for (std::size_t j = 0; j < h; ++j) sum += Wide(m.re[j], m.im[j]) * root(j * power, order);
  return sum;
}

// The mean error of `count` of the values and of the way back, in units of the rounding of the mean value, 2^-53
// sqrt(h).
struct Errors {
  double values = 0, coefficients = 0;
};

Errors errors(const Embedding& embedding, const Split& m, std::size_t h) {
  Split values(h), back(h);
  embedding.values_from_coefficients(values.re, values.im, m.re, m.im, h);
  Errors result;
  const std::size_t step = std::max<std::size_t>(1, h / 64), count = h / step;
  for (std::size_t i = 0; i < h; i += step) {
    const Wide error = Wide(values.re[i], values.im[i]) - value_at(m, h, i);
    result.values +=
        static_cast<double>(std::abs(error)) / std::sqrt(static_cast<double>(h)) / static_cast<double>(count);
  }
  embedding.scaled_coefficients_from_values(back.re, back.im, values.re, values.im, h);
  for (std::size_t i = 0; i < h; ++i) {
    const double factor = 1 / static_cast<double>(h);
    result.coefficients +=
        std::abs(std::complex(back.re[i] * factor - m.re[i], back.im[i] * factor - m.im[i])) * factor;
  }
  result.values *= 0x1p53;
  result.coefficients *= 0x1p53;
  return result;
}

TEST_P(EmbeddingOf, EqualsItsDefinitionAtEverySize) {
  const Embedding transform = embedding(9);
  for (std::size_t h = 1; h <= 512; h *= 2) {
    const Split m = random(h, h);
    Split values(h);
    transform.values_from_coefficients(values.re, values.im, m.re, m.im, h);
    for (std::size_t i = 0; i < h; ++i) {
      const auto error = static_cast<double>(std::abs(Wide(values.re[i], values.im[i]) - value_at(m, h, i)));
      ASSERT_LT(error, 8e-16 * std::sqrt(static_cast<double>(h)) * std::log2(2.0 * static_cast<double>(h)))
          << h << " " << i;
    }
  }
}

TEST_P(EmbeddingOf, InverseUndoesItAtEverySize) {
  const Embedding transform = embedding(15);
  for (std::size_t h = 1; h <= 32768; h *= 2) {
    const Split m = random(h, h + 1);
    Split values(h), back(h);
    transform.values_from_coefficients(values.re, values.im, m.re, m.im, h);
    transform.scaled_coefficients_from_values(back.re, back.im, values.re, values.im, h);
    double worst = 0;
    for (std::size_t i = 0; i < h; ++i) {
      const double factor = 1 / static_cast<double>(h);
      worst = std::max({worst, std::abs(back.re[i] * factor - m.re[i]), std::abs(back.im[i] * factor - m.im[i])});
    }
    EXPECT_LT(worst, 4e-15 * std::log2(2.0 * static_cast<double>(h)) + 1e-15) << h;
  }
}

// Against the definition in extended precision, at the sizes of the rings: the mean error is that of roundings that
// add up like a random walk, one for each of the log2(h) stages.
TEST_P(EmbeddingOf, IsAsAccurateAsItsRoundings) {
  const Embedding transform = embedding(15);
  for (const std::size_t h : {std::size_t{1} << 11, std::size_t{1} << 13, std::size_t{1} << 15}) {
    const double stages = std::log2(static_cast<double>(h));
    const Errors e = errors(transform, random(h, 3), h);
    EXPECT_LT(e.values, 0.6 * std::sqrt(stages)) << h;
    EXPECT_LT(e.coefficients, 0.9 * std::sqrt(stages)) << h;
    RecordProperty("values_" + std::to_string(h), std::to_string(e.values));
    RecordProperty("coefficients_" + std::to_string(h), std::to_string(e.coefficients));
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, EmbeddingOf,
                         ::testing::Values(ring::Isa::portable, ring::Isa::avx2, ring::Isa::avx512ifma),
                         [](const auto& isa) {
                           switch (isa.param) {
                             case ring::Isa::avx2:
                               return "avx2";
                             case ring::Isa::avx512ifma:
                               return "avx512ifma";
                             case ring::Isa::portable:
                               break;
                           }
                           return "portable";
                         });

}  // namespace
}  // namespace thex::ckks
