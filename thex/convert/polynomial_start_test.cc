#include "thex/convert/polynomial_start.h"

#include <gtest/gtest.h>

#include "tests/support/training.h"
#include "thex/base/error.h"
#include "thex/convert/score.h"

namespace thex::convert {
namespace {

EncoderModule module_with(double scores, double ffn) {
  model::ModelConfig config = testing::small_config();
  config.pooler = false;
  EncoderModule m(config, 3, torch::kCPU);
  for (int l = 0; l < config.layers; ++l) {
    for (const char* bias : {"intermediate.dense.bias", "output.dense.bias", "attention.self.value.bias"})
      m.params.at(layer_prefix(l) + bias) += 0.1;
    m.params.at(layer_prefix(l) + "attention.self.query.weight") *= scores;
    m.params.at(layer_prefix(l) + "intermediate.dense.weight") *= ffn;
  }
  return m;
}

double relative_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a - b).square().mean() / (b - b.mean(0)).square().mean()).sqrt().item<double>();
}

// Where the activation is nearly a parabola and the softmax nearly flat, the outputs stay.
TEST(PolynomialStart, NearTheFunctionNothingChanges) {
  const DataSet data = testing::vote_data(300, 40, 15, 2), others = testing::vote_data(50, 40, 15, 5);
  const EncoderModule plain = module_with(0.05, 0.3);
  const torch::Tensor before = predict(plain, others);
  EncoderModule m = plain.clone();
  start_square_activation(m, data);
  EXPECT_EQ(m.config.activation, model::Activation::square);
  EXPECT_LT(relative_difference(predict(m, others), before), 0.01);
  start_power_softmax(m, data);
  EXPECT_EQ(m.softmax, model::Softmax::power);
  EXPECT_LT(relative_difference(predict(m, others), before), 0.02);
  EXPECT_THROW(start_power_softmax(m, data), Error);
  EXPECT_THROW(start_square_activation(m, {}), Error);
}

// What all keys share is invisible to a softmax, so the power must not see it either.
TEST(PolynomialStart, WhatAllKeysShareChangesNothing) {
  const DataSet data = testing::vote_data(300, 40, 15, 2), others = testing::vote_data(50, 40, 15, 5);
  EncoderModule shifted = module_with(0.05, 0.3);
  for (int l = 0; l < shifted.config.layers; ++l) shifted.params.at(layer_prefix(l) + "attention.self.key.bias") += 20;
  const torch::Tensor before = predict(shifted, others);
  EncoderModule m = shifted.clone();
  start_power_softmax(m, data);
  EXPECT_LT(relative_difference(predict(m, others), before), 0.02);
}

// Units that bend downwards keep their sign; lines do not become infinitely steep.
TEST(PolynomialStart, AnyParabolaCanBeFolded) {
  const DataSet data = testing::vote_data(200, 40, 15, 2);
  EncoderModule m = module_with(1, 3);
  m.config.activation = model::Activation::relu;
  m.params.at(layer_prefix(0) + "intermediate.dense.bias") += 4;  // far right: ReLU is the identity there
  const torch::Tensor before = predict(m, data);
  start_square_activation(m, data);
  for (const auto& [name, value] : m.params) EXPECT_TRUE(at::isfinite(value).all().item<bool>()) << name;
  EXPECT_LT(relative_difference(predict(m, data), before), 0.5);
}

}  // namespace
}  // namespace thex::convert
