// Polynomials in clear: values, Chebyshev interpolation, and the change between the bases.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/circuit/library/polynomial.h"

namespace thex::circuit {
namespace {

// p(s x + t) for a polynomial in powers of x.
std::vector<double> substituted(const std::vector<double>& p, double s, double t) {
  std::vector<double> result(p.size(), 0.0);
  for (std::size_t k = p.size(); k-- > 0;) {
    for (std::size_t j = result.size(); j-- > 1;) result[j] = result[j] * t + result[j - 1] * s;
    result[0] = result[0] * t + p[k];
  }
  return result;
}

}  // namespace

int Polynomial::degree() const {
  int top = static_cast<int>(coefficients.size()) - 1;
  while (top >= 0 && coefficients[static_cast<std::size_t>(top)] == 0) --top;
  return top;
}

bool Polynomial::even() const {
  for (std::size_t j = 1; j < coefficients.size(); j += 2)
    if (coefficients[j] != 0) return false;
  return true;
}

bool Polynomial::odd() const {
  for (std::size_t j = 0; j < coefficients.size(); j += 2)
    if (coefficients[j] != 0) return false;
  return true;
}

double Polynomial::operator()(double x) const {
  if (coefficients.empty()) return 0;
  if (basis == PolynomialBasis::monomial) {
    double value = 0;
    for (std::size_t k = coefficients.size(); k-- > 0;) value = value * x + coefficients[k];
    return value;
  }
  // Clenshaw's recurrence.
  const double t = (2 * x - a - b) / (b - a);
  double next = 0, after = 0;
  for (std::size_t k = coefficients.size(); k-- > 1;) {
    const double value = 2 * t * next - after + coefficients[k];
    after = next;
    next = value;
  }
  return t * next - after + coefficients[0];
}

Polynomial chebyshev_interpolation(const std::function<double(double)>& f, double a, double b, int degree) {
  if (degree < 0 || degree > kMaxPolynomialDegree || !(a < b))
    throw Error(ErrorCode::usage, "an interpolation of degree " + std::to_string(degree) + " on [" + std::to_string(a) +
                                      ", " + std::to_string(b) + "]; expected a degree up to " +
                                      std::to_string(kMaxPolynomialDegree) + " and an interval");
  const auto points = static_cast<std::size_t>(degree) + 1;
  std::vector<double> values(points);
  for (std::size_t k = 0; k < points; ++k) {
    const double angle = std::numbers::pi * (static_cast<double>(k) + 0.5) / static_cast<double>(points);
    values[k] = f((a + b) / 2 + (b - a) / 2 * std::cos(angle));
    if (!std::isfinite(values[k]))
      throw Error(ErrorCode::usage, "the function to interpolate is not finite on its interval");
  }
  Polynomial p{.basis = PolynomialBasis::chebyshev, .coefficients = std::vector<double>(points), .a = a, .b = b};
  double largest = 0;
  for (std::size_t j = 0; j < points; ++j) {
    double sum = 0;
    for (std::size_t k = 0; k < points; ++k)
      sum += values[k] * std::cos(std::numbers::pi * static_cast<double>(j) * (static_cast<double>(k) + 0.5) /
                                  static_cast<double>(points));
    p.coefficients[j] = sum * (j == 0 ? 1 : 2) / static_cast<double>(points);
    largest = std::max(largest, std::abs(p.coefficients[j]));
  }
  for (double& c : p.coefficients)
    if (std::abs(c) < largest * 0x1p-46) c = 0;
  return p;
}

Polynomial to_monomial(const Polynomial& p) {
  if (p.basis == PolynomialBasis::monomial) return p;
  // Sum of c_j T_j with T_(j+1) = 2 t T_j - T_(j-1), then t = (2 x - a - b) / (b - a).
  const std::size_t n = p.coefficients.size();
  std::vector<double> sum(n, 0.0), before(n, 0.0), current(n, 0.0);
  for (std::size_t j = 0; j < n; ++j) {
    std::vector<double> next(n, 0.0);
    if (j == 0) {
      next[0] = 1;
    } else {
      for (std::size_t k = 1; k <= j; ++k) next[k] = (j == 1 ? 1 : 2) * current[k - 1];
      for (std::size_t k = 0; k < j && j > 1; ++k) next[k] -= before[k];
    }
    before = std::exchange(current, std::move(next));
    for (std::size_t k = 0; k <= j; ++k) sum[k] += p.coefficients[j] * current[k];
  }
  return {.basis = PolynomialBasis::monomial,
          .coefficients = substituted(sum, 2 / (p.b - p.a), -(p.a + p.b) / (p.b - p.a))};
}

}  // namespace thex::circuit
