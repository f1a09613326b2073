#include "thex/convert/report/required_plan.h"

#include <gtest/gtest.h>

#include <vector>

#include "thex/base/error.h"

namespace thex::convert {
namespace {

model::ModelConfig plain_config(int layers, int hidden) {
  model::ModelConfig c;
  c.layers = layers, c.hidden = hidden, c.heads = hidden / 64, c.ffn = 4 * hidden, c.vocab = 10, c.max_positions = 128;
  c.labels = {"negative", "positive"};
  return c;
}

TEST(RequiredPlan, TwoLayersFitIntoOneRound) {
  for (const int hidden : {128, 256}) {
    std::vector<std::string> warnings;
    require_plan(plain_config(2, hidden), model::Protocol::one_round, 32,
                 [&](const std::string& text) { warnings.push_back(text); });
    EXPECT_TRUE(warnings.empty()) << warnings[0];
  }
}

TEST(RequiredPlan, DeepModelsAreRefusedWithTheOtherProtocol) {
  for (const int layers : {8, 12}) {
    try {
      require_plan(plain_config(layers, 128), model::Protocol::one_round, 32, [](const std::string&) {});
      ADD_FAILURE() << layers << " layers";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::model);
      EXPECT_NE(std::string(e.what()).find("does not fit into the protocol one-round"), std::string::npos) << e.what();
      // What leaks nothing comes first.
      const std::size_t masked = std::string(e.what()).find("--protocol masked-rounds takes deep models");
      EXPECT_LT(masked, std::string(e.what()).find("--protocol the-x")) << e.what();
    }
  }
  std::vector<std::string> warnings;
  require_plan(plain_config(6, 128), model::Protocol::the_x, 32,
               [&](const std::string& text) { warnings.push_back(text); });
  EXPECT_TRUE(warnings.empty()) << warnings[0];
}

TEST(RequiredPlan, CostsAreOfWhatIsServedWithoutAnOption) {
  const auto expected = require_plan(plain_config(2, 128), model::Protocol::one_round, 32, [](const std::string&) {});
  ASSERT_TRUE(expected);
  EXPECT_EQ(expected->plan.protocol, encoder::plan_inference(expected->config, 32).protocol);
  std::string text;
  for (const std::string& line : costs_of(*expected)) text += line + "\n";
  for (const model::Protocol p : {model::Protocol::one_round, model::Protocol::masked_rounds})
    EXPECT_NE(text.find(name_of(p)), std::string::npos) << text;
  EXPECT_EQ(text.find("warning"), std::string::npos) << text;
  const auto leaky = require_plan(plain_config(2, 128), model::Protocol::the_x, 32, [](const std::string&) {});
  ASSERT_TRUE(leaky);
  EXPECT_NE(costs_of(*leaky).back().find("warning: the-x shows the client"), std::string::npos);
}

// Nothing is trained that cannot be served: one head of so many columns has no place in a ciphertext.
TEST(RequiredPlan, PolynomialsWithoutAPlanAreRefused) {
  model::ModelConfig c = plain_config(6, 64);
  c.hidden = 1 << 16, c.heads = 1, c.ffn = 64;
  EXPECT_THROW(require_plan(c, model::Protocol::masked_rounds, 32, [](const std::string&) {}), Error);
}

// A head of 96 columns has no place in a row.
TEST(RequiredPlan, WhatTheXCannotPackIsAWarning) {
  model::ModelConfig c = plain_config(2, 96);
  c.heads = 1;
  std::vector<std::string> warnings;
  require_plan(c, model::Protocol::the_x, 32, [&](const std::string& text) { warnings.push_back(text); });
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("no plan for encrypted inference"), std::string::npos) << warnings[0];
}

}  // namespace
}  // namespace thex::convert
