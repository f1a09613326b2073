#include "thex/convert/score.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/training.h"
#include "thex/base/error.h"

namespace thex::convert {
namespace {

// `wrong` of 400 examples: the first ones.
data::Outcomes outcomes(std::size_t wrong) {
  data::Outcomes o;
  for (std::size_t i = 0; i < 400; ++i) {
    o.gold.push_back(static_cast<int>(i % 2));
    o.predicted.push_back(i < wrong ? 1 - o.gold.back() : o.gold.back());
  }
  return o;
}

// Errors that both models make do not count: what is left is a binomial of those that one makes.
TEST(StandardErrorOfChange, IsPairedByExample) {
  const data::TaskSpec spec = testing::vote_task();
  EXPECT_EQ(standard_error_of_change(spec, outcomes(100), outcomes(100), 200, 1), 0);
  const double expected = 100 * std::sqrt(0.05 * 0.95 / 400);
  EXPECT_NEAR(standard_error_of_change(spec, outcomes(100), outcomes(120), 2000, 1), expected, 0.05 * expected);
  EXPECT_EQ(standard_error_of_change(spec, {}, {}, 200, 1), 0);
  EXPECT_THROW(standard_error_of_change(spec, outcomes(1), {}, 200, 1), Error);
}

TEST(Score, AgreementIsWithTheOtherModelNotWithTheLabels) {
  data::TaskSpec spec;
  spec.labels = {"a", "b"};
  spec.metrics = {data::Metric::f1};
  const data::Outcomes before{.predicted = {0, 1, 0, 1}, .gold = {0, 0, 0, 0}};
  data::Outcomes after = before;
  EXPECT_EQ(agreement_of(spec, before, after), 100);
  after.predicted[3] = 0;
  EXPECT_EQ(agreement_of(spec, before, after), 75);
  EXPECT_THROW(agreement_of(spec, before, {}), Error);
  spec.kind = model::Task::regression;
  spec.labels = {"score"};
  const data::Outcomes values{.predicted_value = {1, 2, 3}, .gold_value = {3, 1, 2}};
  EXPECT_NEAR(agreement_of(spec, values, {.predicted_value = {2, 4, 6}, .gold_value = {3, 1, 2}}), 100, 1e-9);
  EXPECT_NEAR(agreement_of(spec, values, {.predicted_value = {3, 2, 1}, .gold_value = {3, 1, 2}}), -100, 1e-9);
  spec.kind = model::Task::token_classification;
  spec.labels = {"O", "B-X"};
  const data::Outcomes tags{.predicted_tags = {{0, 1}, {0, 0}}, .gold_tags = {{0, 0}, {0, 0}}};
  EXPECT_EQ(agreement_of(spec, tags, {.predicted_tags = {{0, 1}, {1, 0}}, .gold_tags = {{0, 0}, {0, 0}}}), 75);
}

// A text that is lost in a polynomial model is a wrong answer among others.
TEST(Score, ValuesThatAreNoNumbersAreTheMean) {
  data::TaskSpec spec;
  spec.kind = model::Task::regression;
  spec.labels = {"score"};
  spec.metrics = {data::Metric::pearson};
  DataSet data(4);
  for (std::size_t i = 0; i < data.size(); ++i) data[i].value = static_cast<double>(i);
  const auto predicted = [&](std::vector<float> values) {
    return outcomes_of(spec, data, torch::tensor(values).unsqueeze(-1)).predicted_value;
  };
  EXPECT_EQ(predicted({1, NAN, 2, 6}), (std::vector<double>{1, 3, 2, 6}));
  EXPECT_EQ(predicted({1, 5, INFINITY, -INFINITY}), (std::vector<double>{1, 5, 3, 3}));
  EXPECT_EQ(predicted({NAN, NAN, NAN, NAN}), std::vector<double>(4, 0));
  const double lost = score_of(spec, data, torch::tensor({0.0F, 1.0F, NAN, 3.0F}).unsqueeze(-1)).metric;
  EXPECT_GT(lost, 80);
  EXPECT_LT(lost, 99.9);
  EXPECT_TRUE(std::isfinite(score_of(spec, data, torch::full({4, 1}, NAN)).metric));
}

}  // namespace
}  // namespace thex::convert
