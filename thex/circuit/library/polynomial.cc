// The evaluation on encrypted values, and its dry run.
#include "thex/circuit/library/polynomial.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "thex/base/error.h"

namespace thex::circuit {
namespace {

constexpr int kMaxBabySteps = 64;

int top_of(const std::vector<double>& c) {
  int top = static_cast<int>(c.size()) - 1;
  while (top >= 0 && c[static_cast<std::size_t>(top)] == 0) --top;
  return top;
}

int ceil_log2(int n) { return n <= 1 ? 0 : std::bit_width(static_cast<unsigned>(n - 1)); }
int floor_power(int n) { return static_cast<int>(std::bit_floor(static_cast<unsigned>(n))); }

// p = q B_g + r, where g <= degree < 2 g.
std::pair<std::vector<double>, std::vector<double>> divide(const std::vector<double>& p, int g, PolynomialBasis basis) {
  const auto split = static_cast<std::size_t>(g);
  std::vector<double> q(p.begin() + g, p.end()), r(p.begin(), p.begin() + g);
  if (basis == PolynomialBasis::chebyshev) {
    // 2 T_g T_j = T_(g+j) + T_(g-j).
    for (std::size_t j = 1; j < q.size(); ++j) {
      r[split - j] -= q[j];
      q[j] *= 2;
    }
  }
  return {std::move(q), std::move(r)};
}

// Counts what a builder would build.
struct Counter {
  struct Ref {
    int depth = 0;
  };
  PolynomialCost cost;

  Ref product_sum(const std::vector<std::pair<Ref, Ref>>& terms) {
    int depth = 0;
    for (const auto& [a, b] : terms) depth = std::max({depth, a.depth, b.depth});
    cost.ciphertext_products += terms.size();
    ++cost.relinearizations;
    return {depth + 1};
  }
  Ref weighted_sum(const std::vector<std::pair<Ref, double>>& terms) {
    int depth = 0;
    for (const auto& [a, weight] : terms) depth = std::max(depth, a.depth);
    cost.plain_products += terms.size();
    return {depth + 1};
  }
  Ref add(Ref a, Ref b) { return {std::max(a.depth, b.depth)}; }
  Ref subtract(Ref a, Ref b) { return add(a, b); }
  Ref multiply_integer(Ref a, int) { return a; }
  Ref add_constant(Ref a, double) { return a; }
};

// Builds, and keeps count of depths.
struct Writer {
  struct Ref {
    Value value;
    int depth = 0;
  };
  Builder& builder;

  PlainId constant(double c) {
    return builder.plain({1, [c](std::span<double> out) { std::fill(out.begin(), out.end(), c); }});
  }
  Ref product_sum(const std::vector<std::pair<Ref, Ref>>& terms) {
    std::vector<std::pair<Value, Value>> values;
    int depth = 0;
    for (const auto& [a, b] : terms) {
      values.emplace_back(a.value, b.value);
      depth = std::max({depth, a.depth, b.depth});
    }
    return {builder.product_sum(values), depth + 1};
  }
  Ref weighted_sum(const std::vector<std::pair<Ref, double>>& terms) {
    std::vector<Value> values;
    std::vector<PlainId> plains;
    int depth = 0;
    for (const auto& [a, weight] : terms) {
      values.push_back(a.value);
      plains.push_back(constant(weight));
      depth = std::max(depth, a.depth);
    }
    return {builder.weighted_sum(values, plains), depth + 1};
  }
  Ref add(Ref a, Ref b) { return {builder.add(a.value, b.value), std::max(a.depth, b.depth)}; }
  Ref subtract(Ref a, Ref b) { return {builder.subtract(a.value, b.value), std::max(a.depth, b.depth)}; }
  Ref multiply_integer(Ref a, int factor) { return {builder.multiply_integer(a.value, factor), a.depth}; }
  Ref add_constant(Ref a, double c) { return {builder.add_plain(a.value, constant(c)), a.depth}; }
};

template <typename Backend>
class Evaluation {
 public:
  using Ref = typename Backend::Ref;
  Evaluation(Backend& backend, PolynomialBasis kind, Ref x, int baby)
      : backend_(backend), kind_(kind), baby_(baby), start_(x.depth) {
    basis_.emplace(1, x);
  }

  // `budget`: the depth that the result may have, at least the least possible.
  Ref evaluate(std::vector<double> p, int budget) {
    std::vector<std::pair<Ref, Ref>> products;
    std::vector<std::pair<Ref, double>> weighted;
    int degree = top_of(p);
    for (; degree > 0 && !is_leaf(p, degree, budget); degree = top_of(p)) {
      p.resize(static_cast<std::size_t>(degree) + 1);
      const int g = floor_power(degree);
      auto [q, r] = divide(p, g, kind_);
      if (degree == g) {
        weighted.emplace_back(basis(g), q[0]);
      } else {
        const Ref factor = basis(g);
        products.emplace_back(evaluate(std::move(q), budget - 1), factor);
      }
      p = std::move(r);
    }
    for (int j = 1; j <= degree; ++j)
      if (const double c = p[static_cast<std::size_t>(j)]; c != 0) weighted.emplace_back(basis(j), c);
    Ref result;
    if (!products.empty()) result = backend_.product_sum(products);
    if (!weighted.empty()) {
      const Ref sum = backend_.weighted_sum(weighted);
      result = products.empty() ? sum : backend_.add(result, sum);
    }
    return degree >= 0 && p[0] != 0 ? backend_.add_constant(result, p[0]) : result;
  }

 private:
  int depth_of(int j) const { return start_ + ceil_log2(j); }

  bool is_leaf(const std::vector<double>& p, int degree, int budget) const {
    if (degree > baby_) return false;
    for (int j = 1; j <= degree; ++j)
      if (p[static_cast<std::size_t>(j)] != 0 && depth_of(j) + 1 > budget) return false;
    return true;
  }

  // x^j or T_j at depth ceil(log2 j): j = 2^k + rest from x^(2^k) x^rest, or 2 T_(2^k) T_rest - T_(2^k - rest).
  Ref basis(int j) {
    if (const auto it = basis_.find(j); it != basis_.end()) return it->second;
    const int high = std::has_single_bit(static_cast<unsigned>(j)) ? j / 2 : floor_power(j), rest = j - high;
    Ref result = backend_.product_sum({{basis(high), basis(rest)}});
    if (kind_ == PolynomialBasis::chebyshev) {
      result = backend_.multiply_integer(result, 2);
      result = high == rest ? backend_.add_constant(result, -1) : backend_.subtract(result, basis(high - rest));
    }
    basis_.emplace(j, result);
    return result;
  }

  Backend& backend_;
  PolynomialBasis kind_;
  int baby_, start_;
  std::map<int, Ref> basis_;
};

void check(const Polynomial& p) {
  const int degree = p.degree();
  if (degree < 1 || degree > kMaxPolynomialDegree)
    throw Error(ErrorCode::usage, "a polynomial of degree " + std::to_string(degree) + "; expected 1.." +
                                      std::to_string(kMaxPolynomialDegree));
  for (const double c : p.coefficients)
    if (!std::isfinite(c)) throw Error(ErrorCode::usage, "a polynomial has a coefficient that is not a finite number");
  if (!(p.a < p.b) || !std::isfinite(p.b - p.a))
    throw Error(ErrorCode::usage,
                "the interval [" + std::to_string(p.a) + ", " + std::to_string(p.b) + "] of a polynomial is empty");
}

// Chebyshev: x mapped from [a, b] to [-1, 1], without a level when the factor is an integer.
template <typename Backend>
typename Backend::Ref mapped(Backend& backend, typename Backend::Ref x, const Polynomial& p) {
  if (p.basis == PolynomialBasis::monomial) return x;
  const double factor = 2 / (p.b - p.a), shift = -(p.a + p.b) / (p.b - p.a);
  if (factor == std::floor(factor) && factor <= kMaxIntegerFactor) {
    if (factor != 1) x = backend.multiply_integer(x, static_cast<int>(factor));
  } else {
    x = backend.weighted_sum({{x, factor}});
  }
  return shift == 0 ? x : backend.add_constant(x, shift);
}

template <typename Backend>
typename Backend::Ref run(Backend& backend, typename Backend::Ref x, const Polynomial& p, int baby) {
  x = mapped(backend, x, p);
  return Evaluation<Backend>(backend, p.basis, x, baby).evaluate(p.coefficients, x.depth + ceil_log2(p.degree() + 1));
}

// The number of baby steps with the fewest products of ciphertexts, and its cost.
std::pair<int, PolynomialCost> best_baby_steps(const Polynomial& p) {
  check(p);
  std::pair<int, PolynomialCost> best;
  const auto key = [](const PolynomialCost& c) {
    return std::make_pair(c.ciphertext_products + c.relinearizations, c.plain_products);
  };
  for (int baby = 1; baby <= std::min(p.degree(), kMaxBabySteps); ++baby) {
    Counter counter;
    counter.cost.depth = run(counter, Counter::Ref{}, p, baby).depth;
    if (best.first == 0 || key(counter.cost) < key(best.second)) best = {baby, counter.cost};
  }
  return best;
}

}  // namespace

PolynomialCost polynomial_cost(const Polynomial& p) { return best_baby_steps(p).second; }

PolynomialCost polynomial_cost(int degree, PolynomialBasis basis) {
  // Coefficients of which no sums vanish.
  Polynomial p{.basis = basis};
  for (int j = 0; j <= degree; ++j) p.coefficients.push_back(std::sqrt(j + 2.0));
  return polynomial_cost(p);
}

Value evaluate_polynomial(Builder& builder, Value x, const Polynomial& p) {
  const int baby = best_baby_steps(p).first;
  Writer writer{builder};
  return run(writer, Writer::Ref{x, 0}, p, baby).value;
}

}  // namespace thex::circuit
