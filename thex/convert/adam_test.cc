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
