#include "thex/circuit/library/polynomial.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/support/local_parties.h"
#include "tests/support/slots_in_order.h"
#include "thex/base/error.h"
#include "thex/circuit/levels.h"
#include "thex/circuit/planner.h"
#include "thex/circuit/run/clear.h"
#include "thex/ckks/precision.h"

namespace thex::circuit {
namespace {

using support::slots_in_order;
using Reals = std::vector<double>;

Reals random_reals(std::size_t n, std::uint64_t seed, double from = -1, double to = 1) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> uniform(from, to);
  Reals v(n);
  for (double& x : v) x = uniform(engine);
  return v;
}

// x -> p(x) in every slot.
Program program_of(const Polynomial& p, std::size_t slots) {
  Builder b(slots);
  std::vector<Slot> all(slots);
  for (std::size_t i = 0; i < slots; ++i) all[i] = i;
  const Value x = b.client_step("in", {}, {slots_in_order(slots)}, slots)[0];
  b.set_label("polynomial");
  return std::move(b).finish(evaluate_polynomial(b, x, p), all);
}

Reals in_clear(const Polynomial& p, const Reals& x) { return run_clear(program_of(p, x.size()), x, 1).logits; }

int least_depth(int degree) { return static_cast<int>(std::ceil(std::log2(degree + 1))); }

// What the planner finds in the built program.
PolynomialCost planned_cost(const Polynomial& p) {
  const Program program = program_of(p, 4);
  PolynomialCost cost{.depth = assign_levels(program).depth.number()};
  for (const Node& node : program.nodes) {
    if (node.op == Op::product_sum) {
      cost.ciphertext_products += node.inputs.size() / 2;
      ++cost.relinearizations;
    }
    if (node.op == Op::weighted_sum) cost.plain_products += node.inputs.size();
  }
  return cost;
}

void expect_equal(const PolynomialCost& a, const PolynomialCost& b, const std::string& what) {
  EXPECT_EQ(a.depth, b.depth) << what;
  EXPECT_EQ(a.ciphertext_products, b.ciphertext_products) << what;
  EXPECT_EQ(a.relinearizations, b.relinearizations) << what;
  EXPECT_EQ(a.plain_products, b.plain_products) << what;
}

class InBasis : public ::testing::TestWithParam<PolynomialBasis> {};
INSTANTIATE_TEST_SUITE_P(Bases, InBasis, ::testing::Values(PolynomialBasis::monomial, PolynomialBasis::chebyshev));

TEST_P(InBasis, CostsWhatTheDryRunSaysAndTheLeastDepth) {
  std::size_t dense_products = 0, half_products = 0;
  for (int degree = 1; degree <= 64; ++degree) {
    const std::string what = "degree " + std::to_string(degree);
    const PolynomialCost cost = polynomial_cost(degree, GetParam());
    EXPECT_EQ(cost.depth, least_depth(degree)) << what;
    Polynomial p{.basis = GetParam(), .coefficients = random_reals(static_cast<std::size_t>(degree) + 1, 1)};
    expect_equal(cost, planned_cost(p), what);
    expect_equal(polynomial_cost(p), planned_cost(p), what);
    // Far fewer products than Horner's rule or the powers one by one.
    EXPECT_LE(static_cast<double>(cost.ciphertext_products), 2.2 * std::sqrt(degree) + std::log2(degree) + 1) << what;
    for (std::size_t parity : {0u, 1u}) {
      if (degree % 2 != static_cast<int>(parity) || degree < 2) continue;
      Polynomial half = p;
      for (std::size_t j = 0; j < half.coefficients.size(); ++j)
        if (j % 2 != parity) half.coefficients[j] = 0;
      const PolynomialCost less = polynomial_cost(half);
      expect_equal(less, planned_cost(half), what + " of one parity");
      EXPECT_EQ(less.depth, least_depth(degree)) << what;
      EXPECT_LE(less.ciphertext_products, cost.ciphertext_products) << what;
      if (degree >= 8) {
        EXPECT_LT(less.plain_products, cost.plain_products) << what;
      }
      dense_products += cost.ciphertext_products;
      half_products += less.ciphertext_products;
    }
  }
  EXPECT_LT(1.1 * static_cast<double>(half_products), static_cast<double>(dense_products));
}

TEST_P(InBasis, EqualsDirectEvaluation) {
  const Reals x = random_reals(64, 2);
  for (int degree = 1; degree <= 64; ++degree) {
    const Polynomial p{
        .basis = GetParam(),
        .coefficients = random_reals(static_cast<std::size_t>(degree) + 1, 3 + static_cast<std::uint64_t>(degree))};
    const Reals y = in_clear(p, x);
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(y[i], p(x[i]), 1e-11 * (degree + 1)) << "degree " << degree << " at " << x[i];
  }
}

TEST_P(InBasis, SparseAndExtremePolynomials) {
  const Reals x = random_reals(16, 4);
  for (const Reals& c : {Reals{0, 1}, Reals{0, 0, 1}, Reals{0, 0, 0, 0, -2}, Reals{1, 0, 0, 3},
                         Reals{0, 0, 0, 0, 0, 0, 0, 5}, Reals{0.5, 0, 0, 0, 0, 0, 0, 0, 1}, Reals{2, 1, 0, 0, 0}}) {
    const Polynomial p{.basis = GetParam(), .coefficients = c};
    expect_equal(polynomial_cost(p), planned_cost(p), "sparse");
    const Reals y = in_clear(p, x);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], p(x[i]), 1e-13);
  }
  const auto code = [](const Polynomial& p) {
    try {
      Builder b(4);
      const Value v = b.client_step("in", {}, {std::vector<SlotSource>(4)}, 4)[0];
      evaluate_polynomial(b, v, p);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::internal;
  };
  EXPECT_EQ(code({.basis = GetParam(), .coefficients = {}}), ErrorCode::usage);
  EXPECT_EQ(code({.basis = GetParam(), .coefficients = {3, 0, 0}}), ErrorCode::usage)
      << "a constant needs no ciphertext";
  EXPECT_EQ(code({.basis = GetParam(), .coefficients = {0, std::nan("")}}), ErrorCode::usage);
  EXPECT_EQ(code({.basis = GetParam(), .coefficients = {0, 1}, .a = 1, .b = 1}), ErrorCode::usage);
  EXPECT_EQ(code({.basis = GetParam(), .coefficients = Reals(2000, 1)}), ErrorCode::usage);
}

// p + s q is evaluated to the sum of the evaluations; even and odd ones have their symmetry exactly.
TEST_P(InBasis, LinearEvenAndOdd) {
  Reals x = random_reals(32, 5);
  for (std::size_t i = 0; i < 16; ++i) x[16 + i] = -x[i];
  for (const std::size_t degree : {6u, 13u, 31u}) {
    const Reals p = random_reals(degree + 1, 6), q = random_reals(degree + 1, 7);
    Reals sum = p, even = p, odd = p;
    for (std::size_t j = 0; j <= degree; ++j) {
      sum[j] += 3 * q[j];
      (j % 2 == 0 ? odd : even)[j] = 0;
    }
    const auto at = [&](const Reals& c) { return in_clear({.basis = GetParam(), .coefficients = c}, x); };
    const Reals yp = at(p), yq = at(q), ys = at(sum), ye = at(even), yo = at(odd);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(ys[i], yp[i] + 3 * yq[i], 1e-11);
      EXPECT_NEAR(ye[i] + yo[i], yp[i], 1e-11);
    }
    for (std::size_t i = 0; i < 16; ++i) {
      EXPECT_EQ(ye[i], ye[16 + i]);
      EXPECT_EQ(yo[i], -yo[16 + i]);
    }
    EXPECT_TRUE(Polynomial{.coefficients = even}.even());
    EXPECT_TRUE(Polynomial{.coefficients = odd}.odd());
    EXPECT_FALSE(Polynomial{.coefficients = p}.even());
    EXPECT_FALSE(Polynomial{.coefficients = p}.odd());
  }
}

TEST(Polynomial, KnownAnswers) {
  const Polynomial p{.coefficients = {1, -2, 0, 4}};
  EXPECT_DOUBLE_EQ(p(0.5), 0.5);
  EXPECT_DOUBLE_EQ(p(-2), -27);
  // T_0 + 2 T_1 + 3 T_2 + 4 T_3 = 1 + 2t + 3(2t^2-1) + 4(4t^3-3t)
  const Polynomial c{.basis = PolynomialBasis::chebyshev, .coefficients = {1, 2, 3, 4}};
  EXPECT_DOUBLE_EQ(c(0.5), 1 + 1 - 1.5 - 4);
  const Reals powers = to_monomial(c).coefficients;
  EXPECT_EQ(powers, (Reals{-2, -10, 6, 16}));
  const Polynomial wide{.basis = PolynomialBasis::chebyshev, .coefficients = {0, 1}, .a = 2, .b = 6};
  EXPECT_DOUBLE_EQ(wide(6), 1);
  EXPECT_DOUBLE_EQ(wide(3), -0.5);
  EXPECT_EQ(to_monomial(wide).coefficients, (Reals{-2, 0.5}));
  EXPECT_EQ(polynomial_cost(3, PolynomialBasis::monomial).ciphertext_products, 2u);
  EXPECT_EQ(polynomial_cost(7, PolynomialBasis::monomial).depth, 3);
}

TEST(Polynomial, MonomialsHaveTheSameValues) {
  for (const auto& [a, b] : {std::pair{-1.0, 1.0}, {0.0, 1.0}, {-3.0, 5.0}}) {
    const Polynomial c{.basis = PolynomialBasis::chebyshev, .coefficients = random_reals(12, 8), .a = a, .b = b};
    const Polynomial m = to_monomial(c);
    for (const double t : {0.0, 0.1, 0.5, 0.77, 1.0}) EXPECT_NEAR(m(a + (b - a) * t), c(a + (b - a) * t), 1e-8);
  }
}

TEST(ChebyshevInterpolation, ConvergesAndKeepsParity) {
  const auto worst = [](const Polynomial& p, const auto& f) {
    double error = 0;
    for (int i = 0; i <= 1000; ++i) {
      const double x = p.a + (p.b - p.a) * i / 1000;
      error = std::max(error, std::abs(p(x) - f(x)));
    }
    return error;
  };
  const auto exponential = [](double x) { return std::exp(x); };
  EXPECT_LT(worst(chebyshev_interpolation(exponential, -1, 1, 6), exponential), 4e-6);
  EXPECT_LT(worst(chebyshev_interpolation(exponential, -1, 1, 14), exponential), 1e-14);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)) - 0.5; };
  const Polynomial s = chebyshev_interpolation(sigmoid, -8, 8, 31);
  EXPECT_LT(worst(s, sigmoid), 1e-5);
  EXPECT_TRUE(s.odd());
  EXPECT_TRUE(chebyshev_interpolation([](double x) { return std::cos(x); }, -2, 2, 20).even());
  const auto reciprocal = [](double x) { return 1 / x; };
  EXPECT_LT(worst(chebyshev_interpolation(reciprocal, 1, 9, 30), reciprocal), 1e-8);
  EXPECT_THROW(chebyshev_interpolation([](double x) { return std::sqrt(x); }, -1, 1, 2), Error) << "not a number";
  EXPECT_THROW(chebyshev_interpolation(exponential, 1, -1, 2), Error);
}

// An interval costs a level only where its map needs a factor that is not an integer.
TEST(ChebyshevInterval, CostsALevelOrNone) {
  const auto depth = [](double a, double b) {
    return polynomial_cost(Polynomial{.basis = PolynomialBasis::chebyshev, .coefficients = Reals(8, 1), .a = a, .b = b})
        .depth;
  };
  EXPECT_EQ(depth(-1, 1), 3);
  EXPECT_EQ(depth(0, 1), 3) << "2 x - 1";
  EXPECT_EQ(depth(5, 7), 3) << "x - 6";
  EXPECT_EQ(depth(-8, 8), 4);
  const Reals t = random_reals(16, 9);
  for (const auto& [a, b] : {std::pair{0.0, 1.0}, {5.0, 7.0}, {-8.0, 8.0}, {-0.5, 2.0}}) {
    const Polynomial p{.basis = PolynomialBasis::chebyshev, .coefficients = random_reals(8, 10), .a = a, .b = b};
    expect_equal(polynomial_cost(p), planned_cost(p), "interval");
    Reals x = t;
    for (double& v : x) v = a + (b - a) * (v + 1) / 2;
    const Reals y = in_clear(p, x);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], p(x[i]), 1e-12);
  }
}

struct Encrypted {
  const char* name;
  Polynomial p;
  double bits;  // at least this many in the worst slot
};

class EncryptedPolynomial : public ::testing::TestWithParam<Encrypted> {};

// On real ciphertexts, as precise as the noise model says.
TEST_P(EncryptedPolynomial, IsPrecise) {
  const Polynomial& p = GetParam().p;
  const Plan plan = make_plan([&](std::size_t slots) { return std::vector<Program>{program_of(p, slots)}; },
                              {.max_value = 4, .min_log_n = 13});
  EXPECT_EQ(plan.context->max_level(), polynomial_cost(p).depth);
  EXPECT_EQ(plan.program_plans[0].counts.ciphertext_products, polynomial_cost(p).ciphertext_products);
  EXPECT_EQ(plan.program_plans[0].counts.relinearizations, polynomial_cost(p).relinearizations);
  EXPECT_EQ(plan.program_plans[0].counts.plain_products, polynomial_cost(p).plain_products);
  const Reals x = random_reals(plan.context->slots(), 11, p.a, p.b);
  const Reals got = support::LocalParties(plan, 0, ring::Seed{5}).run(x, 1);
  Reals expected;
  for (double v : x) expected.push_back(p(v));
  const ckks::PrecisionStatistics measured = ckks::precision(got, expected);
  EXPECT_GT(measured.min_bits, GetParam().bits);
  const NoiseEstimate estimate =
      simulate_noise(plan.programs[0], {plan.context.get(), &plan.program_plans[0], 1}, x, 1);
  const auto result = plan.programs[0].results[0];
  EXPECT_NEAR(measured.mean_bits, expected_mean_bits(estimate.deviation[result]), 3);
}

Polynomial random_polynomial(PolynomialBasis basis, std::size_t degree) {
  Polynomial p{.basis = basis, .coefficients = random_reals(degree + 1, 12)};
  for (double& c : p.coefficients) c /= static_cast<double>(degree + 1);
  return p;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, EncryptedPolynomial,
    ::testing::Values(Encrypted{"Monomial3", random_polynomial(PolynomialBasis::monomial, 3), 18},
                      Encrypted{"Monomial15", random_polynomial(PolynomialBasis::monomial, 15), 16},
                      Encrypted{"Chebyshev7", random_polynomial(PolynomialBasis::chebyshev, 7), 16},
                      Encrypted{"Chebyshev31", random_polynomial(PolynomialBasis::chebyshev, 31), 14},
                      Encrypted{"Chebyshev63", random_polynomial(PolynomialBasis::chebyshev, 63), 12},
                      Encrypted{"Sigmoid31",
                                chebyshev_interpolation([](double x) { return 1 / (1 + std::exp(-x)); }, -8, 8, 31),
                                14}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace thex::circuit
