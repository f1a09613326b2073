#include "thex/convert/softmax_estimation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace thex::convert {
namespace {

EstimationOptions quick() {
  EstimationOptions o;
  o.steps = 400;
  return o;
}

TEST(SoftmaxEstimation, ReachesWhatTheCubeAllows) {
  const auto [t, report] = fit_estimation(quick());
  // T's own share of the error is far below 1e-6; the rest is the cube's, which even the exact reciprocal has.
  EXPECT_LT(report.mse_reciprocal_part, 1e-7);
  EXPECT_LT(report.mse_true_softmax, report.mse_exact_reciprocal * 1.05 + 1e-8);
  EXPECT_LT(report.mse_true_softmax, 5e-6);
  EXPECT_LT(report.worst_relative, 0.1);
  EXPECT_LT(report.max_pre, 55);
}

TEST(SoftmaxEstimation, ClosedFormStartIsAlreadyAReciprocal) {
  EstimationOptions o = quick();
  o.steps = 0;
  const Parameters t = fit_estimation(o).first;
  for (double s : {1.5, 2.0, 7.0, 30.0, 111.0, 500.0, 2000.0}) {
    const double value = reciprocal(t, "", at::full({1, 1}, s)).value.item<double>();
    EXPECT_NEAR(value * s, 1, 0.06) << "S = " << s;
  }
  EXPECT_TRUE(std::isfinite(reciprocal(t, "", at::zeros({1, 1})).value.item<double>()));
}

TEST(SoftmaxEstimation, IsDeterministicInTheSeed) {
  EstimationOptions o = quick();
  o.steps = 20;
  const Parameters a = fit_estimation(o).first, b = fit_estimation(o).first;
  o.seed = 2;
  const Parameters c = fit_estimation(o).first;
  for (const auto& [name, value] : a) EXPECT_TRUE(at::equal(value, b.at(name))) << name;
  EXPECT_FALSE(at::equal(a.at("4.weight"), c.at("4.weight")));
}

}  // namespace
}  // namespace thex::convert
