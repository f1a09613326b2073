// Polynomials of encrypted values, by the Paterson-Stockmeyer method with baby steps and giant steps, in the least
// multiplicative depth: ceil(log2(degree + 1)) for monomials, and for Chebyshev polynomials on [-1, 1] (or wherever the
// map to [-1, 1] costs no level; elsewhere one more).
//
// A polynomial is split at a power of two g, p = q B_g + r, until the pieces are weighted sums of the few lowest basis
// polynomials B_j = x^j or T_j; products that are added share one relinearisation. Coefficients that are exactly zero
// cost nothing, so an even or odd polynomial needs fewer products. Only Builder operations are used: levels
// and scales are the planner's, and exact.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "thex/circuit/program.h"

namespace thex::circuit {

enum class PolynomialBasis { monomial, chebyshev };

struct Polynomial {
  PolynomialBasis basis = PolynomialBasis::monomial;
  std::vector<double> coefficients;  // of B_0, B_1, ..
  // Chebyshev: the polynomials are T_j((2 x - a - b) / (b - a)). Monomials are powers of x itself.
  double a = -1, b = 1;

  // The index of the last coefficient that is not zero; -1 for the zero polynomial.
  int degree() const;
  bool even() const;  // no odd basis polynomial occurs
  bool odd() const;
  double operator()(double x) const;
};

inline constexpr int kMaxPolynomialDegree = 1023;

// What evaluating costs, known before a program is built: the level of the input when the result is at level 0, and the
// planner's counts.
struct PolynomialCost {
  int depth = 0;
  std::size_t ciphertext_products = 0, relinearizations = 0, plain_products = 0;
};
PolynomialCost polynomial_cost(const Polynomial& p);
// Of a polynomial with all coefficients (Chebyshev: on [-1, 1]).
PolynomialCost polynomial_cost(int degree, PolynomialBasis basis);

// p(x) in every slot. Throws Error(usage) when the degree is not 1 .. kMaxPolynomialDegree, a coefficient is not finite
// or the interval is empty.
Value evaluate_polynomial(Builder& builder, Value x, const Polynomial& p);

// The Chebyshev polynomial of that degree that equals f at the degree + 1 Chebyshev points of [a, b]: close to the best
// approximation where f is smooth. Coefficients below 2^-46 of the largest are rounding and become zero. Throws
// Error(usage) when f is not finite there.
Polynomial chebyshev_interpolation(const std::function<double(double)>& f, double a, double b, int degree);

// The same polynomial in the other basis. Ill-conditioned for high degrees: about one digit is lost with every 2 or 3
// degrees.
Polynomial to_monomial(const Polynomial& p);
Polynomial to_chebyshev(const Polynomial& p, double a = -1, double b = 1);

}  // namespace thex::circuit
