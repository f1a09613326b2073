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
      EXPECT_NE(std::string(e.what()).find("--protocol the-x"), std::string::npos) << e.what();
    }
  }
  std::vector<std::string> warnings;
  require_plan(plain_config(6, 128), model::Protocol::the_x, 32,
               [&](const std::string& text) { warnings.push_back(text); });
  EXPECT_TRUE(warnings.empty()) << warnings[0];
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
