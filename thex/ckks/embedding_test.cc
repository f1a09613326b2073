#include "thex/ckks/embedding.h"

#include <numbers>

#include "thex/ckks/test_support.h"

namespace thex::ckks {
namespace {

using testing::Complex;

// sum_k m_k zeta^(k 5^i), by the definition.
Complex value_at(const std::vector<double>& m, std::size_t i) {
  const std::size_t order = 2 * m.size();
  std::size_t power = 1;
  for (std::size_t k = 0; k < i; ++k) power = power * 5 % order;
  Complex sum = 0;
  for (std::size_t k = 0; k < m.size(); ++k) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(k * power % order) / static_cast<double>(order);
    sum += m[k] * Complex(std::cos(angle), std::sin(angle));
  }
  return sum;
}

TEST(Embedding, EqualsItsDefinition) {
  const Embedding embedding(9);
  for (std::size_t h = 1; h <= 256; h *= 2) {
    const std::vector<double> m = testing::random_reals(2 * h, h);
    std::vector<double> re(m.begin(), m.begin() + static_cast<std::ptrdiff_t>(h));
    std::vector<double> im(m.begin() + static_cast<std::ptrdiff_t>(h), m.end());
    embedding.values_from_coefficients(re.data(), im.data(), h);
    for (std::size_t i = 0; i < h; ++i) {
      EXPECT_LT(std::abs(Complex(re[i], im[i]) - value_at(m, i)), 1e-12 * static_cast<double>(h)) << h << " " << i;
    }
  }
}

TEST(Embedding, InverseUndoesItAtEverySize) {
  const Embedding embedding(15);
  for (std::size_t h = 1; h <= 32768; h *= 2) {
    const std::vector<double> m = testing::random_reals(2 * h, h + 1);
    std::vector<double> re(m.begin(), m.begin() + static_cast<std::ptrdiff_t>(h));
    std::vector<double> im(m.begin() + static_cast<std::ptrdiff_t>(h), m.end());
    embedding.values_from_coefficients(re.data(), im.data(), h);
    embedding.coefficients_from_values(re.data(), im.data(), h);
    double worst = 0;
    for (std::size_t i = 0; i < h; ++i) worst = std::max({worst, std::abs(re[i] - m[i]), std::abs(im[i] - m[i + h])});
    EXPECT_LT(worst, 4e-15 * std::log2(2.0 * static_cast<double>(h)) + 1e-15) << h;
  }
}

}  // namespace
}  // namespace thex::ckks
