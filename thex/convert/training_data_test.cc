#include "thex/convert/training_data.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/training.h"
#include "thex/base/error.h"
#include "thex/convert/conversion_report.h"

namespace thex::convert {
namespace {

void expect_input_error(const std::function<void()>& action, const std::string& part) {
  try {
    action();
    ADD_FAILURE() << "was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::input) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(TrainingData, TooLittleIsSaidBeforeTraining) {
  const data::TaskSpec spec = testing::vote_task();
  const DataSet all = testing::vote_data(100, 40, 9, 1);
  const DataSet few(all.begin(), all.begin() + 5);
  expect_input_error([&] { require_examples(spec, few, false, "five.csv"); },
                     "five.csv: 5 training examples are too few");
  require_examples(spec, all, true, "all.csv");
  DataSet one_sided = all;
  for (std::size_t i = 0; i < all.size(); ++i) one_sided[i].label = i == 0 ? 1 : 0;
  expect_input_error([&] { require_examples(spec, one_sided, true, "x.csv"); }, "label \"yes\" has 1 of the 100");
  require_examples(spec, one_sided, false, "x.csv");  // a teacher's outputs are learned, not the labels
}

TEST(TrainingData, PairsNeedTwoTokenTypes) {
  TaskData data;
  data.dev = testing::pair_data(10, 40, 3, 1);
  model::ModelConfig config = testing::small_config();
  for (const int types : {0, 2}) {
    config.type_vocab = types;
    require_segments(data, config, "model");
  }
  config.type_vocab = 1;
  try {
    require_segments(data, config, "model");
    ADD_FAILURE() << "was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::model);
    EXPECT_NE(std::string(e.what()).find("model/config.json: type_vocab_size 1"), std::string::npos) << e.what();
  }
}

WorkflowResult result_with(double calibrated, double unseen) {
  WorkflowResult r{EncoderModule(testing::small_config(), 1, torch::kCPU), {}, {}, {}, {}, {}};
  LayerMagnitudes before, after;
  before.ffn.max = calibrated, after.ffn.max = unseen;
  r.ranges.layers = {before}, r.unseen.layers = {after};
  r.ranges.logit = r.unseen.logit = 2;
  return r;
}

TEST(Agreement, ValuesBeyondTheirRangeAreTheDatas) {
  const auto check = [](double difference, double calibrated, double unseen) {
    require_agreement({.metric = 50, .largest_difference = difference, .count = 40}, result_with(calibrated, unseen),
                      30, "without --quick");
  };
  check(1e-5, 1, 100);
  expect_input_error([&] { check(10, 1, 100); }, "left the range that it was calibrated for");
  expect_input_error([&] { check(10, 1, 100); }, "without --quick");
  expect_input_error([&] { check(INFINITY, 1, 1); }, "left the range");
  try {
    check(10, 1, 1);
    ADD_FAILURE() << "was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::internal);
  }
}

}  // namespace
}  // namespace thex::convert
