#include "thex/convert/adam.h"

#include <gtest/gtest.h>

namespace thex::convert {
namespace {

TEST(Adam, FirstStepMovesByTheRateAgainstTheGradient) {
  std::map<std::string, torch::Tensor> p{{"x", at::tensor({1.0F, -2.0F}).set_requires_grad(true)}};
  Adam adam({.weight_decay = 0, .clip = 0});
  (p.at("x") * at::tensor({3.0F, -0.5F})).sum().backward();
  adam.step(p, 0.1);
  EXPECT_NEAR(p.at("x")[0].item<double>(), 0.9, 1e-5);
  EXPECT_NEAR(p.at("x")[1].item<double>(), -1.9, 1e-5);
  EXPECT_FALSE(p.at("x").grad().defined());
}

TEST(Adam, FindsTheMinimumOfAQuadratic) {
  std::map<std::string, torch::Tensor> p{{"x", at::zeros({3}).set_requires_grad(true)}};
  const torch::Tensor target = at::tensor({1.0F, -2.0F, 0.5F});
  Adam adam({.weight_decay = 0});
  for (int i = 0; i < 400; ++i) {
    (p.at("x") - target).square().sum().backward();
    adam.step(p, 0.05 * (1 - i / 400.0));
  }
  EXPECT_LT((p.at("x") - target).abs().max().item<double>(), 1e-2);
}

// Inputs of which one direction varies a hundred times as much as the other, about a mean far from zero: white steps
// find the matrix that plain ones of the same rate are far from still.
TEST(Adam, WhiteStepsFindMatricesOfUnevenInputs) {
  auto generator = at::detail::createCPUGenerator(1);
  const torch::Tensor mix = at::tensor({3.0F, 3.0F, 0.03F, -0.03F}).view({2, 2});
  const torch::Tensor x = at::matmul(at::randn({400, 2}, generator, torch::kFloat32), mix) + 4;
  const torch::Tensor wanted = at::matmul(x, at::tensor({1.0F, -1.0F}).view({2, 1})) + 0.5;
  const torch::Tensor mean = x.mean(0), centred = x - mean;
  torch::Tensor covariance = at::matmul(centred.t(), centred);
  covariance = covariance / covariance.diagonal().mean();
  const auto [values, vectors] = at::linalg_eigh(covariance);
  const InputStatistics statistics{mean, at::matmul(vectors * values.rsqrt(), vectors.t())};
  const auto error_after = [&](const InputStatisticsOf& inputs) {
    std::map<std::string, torch::Tensor> p{{"dense.weight", at::zeros({1, 2}).set_requires_grad(true)},
                                           {"dense.bias", at::zeros({1}).set_requires_grad(true)}};
    Adam adam({.weight_decay = 0}, inputs);
    const auto error = [&] {
      return (at::linear(x, p.at("dense.weight"), p.at("dense.bias")) - wanted).square().mean();
    };
    for (int i = 0; i < 150; ++i) {
      error().backward();
      adam.step(p, 0.02 * (1 - i / 150.0));
    }
    return error().item<double>();
  };
  const double plain = error_after({}), white = error_after({{"dense", statistics}});
  EXPECT_LT(white, 0.1 * plain);
}

TEST(Adam, RowStepsTouchOnlyTheRowsOfTheBatch) {
  std::map<std::string, torch::Tensor> none;
  torch::Tensor table = at::ones({5, 2});
  const torch::Tensor ids = at::tensor({1L, 3L}, torch::kInt64);
  torch::Tensor rows = table.index_select(0, ids).set_requires_grad(true);
  rows.sum().backward();
  Adam adam({.clip = 1.0});
  adam.step(none, 0.1, table, rows, ids, 0.1);
  for (std::int64_t r = 0; r < 5; ++r) EXPECT_NEAR(table[r][0].item<double>(), r == 1 || r == 3 ? 0.9 : 1.0, 1e-4) << r;
}

TEST(Adam, DecayShrinksMatricesButNotVectors) {
  std::map<std::string, torch::Tensor> p{{"w", at::ones({2, 2}).set_requires_grad(true)},
                                         {"b", at::ones({2}).set_requires_grad(true)}};
  Adam adam({.weight_decay = 0.5, .clip = 0});
  (p.at("w").sum() * 0 + p.at("b").sum() * 0).backward();
  adam.step(p, 0.1);
  EXPECT_NEAR(p.at("w")[0][0].item<double>(), 0.95, 1e-6);
  EXPECT_NEAR(p.at("b")[0].item<double>(), 1.0, 1e-6);
}

}  // namespace
}  // namespace thex::convert
