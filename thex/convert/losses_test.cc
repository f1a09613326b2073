#include "thex/convert/losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/support/training.h"
#include "thex/base/error.h"
#include "thex/convert/calibrate.h"
#include "thex/convert/score.h"

namespace thex::convert {
namespace {

Batch whole(const DataSet& data) {
  std::vector<std::size_t> all(data.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return collate(data, all, torch::kCPU);
}

TEST(Losses, RegressionCountsKnownValuesInUnitsOfTheirDeviation) {
  DataSet data = testing::vote_data(4, 40, 9, 1);
  data[0].value = 1, data[1].value = 5, data[3].value = 3;  // the third has none
  const Objective o = objective_of(model::Task::regression, data);
  EXPECT_NEAR(o.value_mean, 3, 1e-12);
  EXPECT_NEAR(o.value_scale, std::sqrt(8.0 / 3), 1e-12);
  Output out;
  out.logits = at::tensor(std::vector<float>{2, 2, 100, 3}).unsqueeze(1);
  EXPECT_NEAR(label_loss(o)(out, whole(data)).item<double>(), (1.0 + 9 + 0) / 3 / (8.0 / 3), 1e-5);
  data[1].value = data[3].value = 1;
  EXPECT_THROW(objective_of(model::Task::regression, data), Error);
}

TEST(Losses, TokenCrossEntropyCountsFirstPiecesWithATag) {
  DataSet data(2);
  data[0].ids = {2, 10, 11, 12, 3}, data[0].first = {1, 3}, data[0].tags = {1, 0, 2};  // the third word is cut off
  data[1].ids = {2, 13, 14, 3}, data[1].first = {1, 2};                                // no tags known
  for (Sentence& s : data) s.types.assign(s.ids.size(), 0);
  const Batch batch = whole(data);
  EXPECT_TRUE(at::equal(batch.first, at::tensor(std::vector<std::int64_t>{1, 3, 6, 7})));
  EXPECT_TRUE(at::equal(batch.tags, at::tensor(std::vector<std::int64_t>{1, 0, -1, -1})));
  Output out;
  out.logits = at::tensor(std::vector<float>{0, 1, 0, 2, 0, 0, 9, 9, 9, 9, 9, 9}).view({4, 3});
  const double first = -std::log(std::exp(1) / (2 + std::exp(1))), second = -std::log(std::exp(2) / (2 + std::exp(2)));
  const Loss loss = label_loss({model::Task::token_classification, 1, 0});
  EXPECT_NEAR(loss(out, batch).item<double>(), (first + second) / 2, 1e-5);
}

// For every task: a model has no loss from its own outputs, and one from another's.
TEST(Losses, DistillationVanishesForTheTeacherItself) {
  for (const data::TaskSpec& spec : {testing::vote_task(), testing::share_task(), testing::tag_task()}) {
    DataSet data = spec.kind == model::Task::token_classification ? testing::tag_data(40, 40, 6, 1)
                                                                  : testing::share_data(40, 40, 9, 1);
    const EncoderModule a(testing::config_for(spec), 5, torch::kCPU), b(testing::config_for(spec), 6, torch::kCPU);
    const Objective o = objective_of(spec.kind, data);
    const Batch batch = collate(data, {7, 3, 21}, torch::kCPU);
    const Loss loss = with_hidden_states(distillation_loss(o, targets_of(o.task, predict(a, data), data), 0, 2), a, 1);
    EXPECT_NEAR(loss(a.forward(batch, {}), batch).item<double>(), 0, 1e-5) << spec.name;
    EXPECT_GT(loss(b.forward(batch, {}), batch).item<double>(), 1e-2) << spec.name;
    EXPECT_THROW(targets_of(o.task, at::zeros({3, 2}), data), Error);
  }
}

TEST(Losses, NormDistillationIsZeroWhereTheAffineNormIsExact) {
  EncoderModule m(testing::small_config(), 5, torch::kCPU);
  const DataSet data = testing::vote_data(30, 40, 13, 1);
  const Batch batch = whole(data);
  EXPECT_THROW(norm_distillation_loss()(m.forward(batch, {}), batch), Error);
  fit_affine_norms(m, data, {0, 1, 2, 3});
  for (NormMode& mode : m.norms) mode = NormMode::shadow;
  const double fitted = norm_distillation_loss()(m.forward(batch, {}), batch).item<double>();
  for (int i = 0; i < 4; ++i) m.params[norm_prefix(i) + "AffineNorm.bias"] += 0.1;
  EXPECT_NEAR(norm_distillation_loss()(m.forward(batch, {}), batch).item<double>(), fitted + 4 * 0.01, 2e-3);
}

TEST(Score, WordsThatWereCutOffCountAsOutside) {
  data::TaskSpec spec = testing::tag_task();
  spec.labels = {"B-X", "O", "I-X"};
  DataSet data(2);
  data[0].ids = {2, 10, 3}, data[0].first = {1}, data[0].tags = {0, 0};
  data[1].ids = {2, 10, 11, 3}, data[1].first = {1, 2}, data[1].tags = {1, 0};
  for (Sentence& s : data) s.types.assign(s.ids.size(), 0);
  const torch::Tensor table = at::eye(3).index_select(0, at::tensor(std::vector<std::int64_t>{0, 1, 0}));
  const data::Outcomes outcomes = outcomes_of(spec, data, table);
  EXPECT_EQ(outcomes.predicted_tags, (std::vector<std::vector<int>>{{0, 1}, {1, 0}}));
  EXPECT_EQ(outcomes.gold_tags, (std::vector<std::vector<int>>{{0, 0}, {1, 0}}));
  // A word without a piece in the middle: the prediction after it belongs to the next one.
  data[1].tags = {1, 1, 0}, data[1].word = {0, 2};
  EXPECT_EQ(outcomes_of(spec, data, table).predicted_tags, (std::vector<std::vector<int>>{{0, 1}, {1, 1, 0}}));
  data[1].tags = {1, 0}, data[1].word = {};
  // Three entities, of which two are found and none is invented: F1 = 2 * 1 * (2/3) / (1 + 2/3).
  EXPECT_NEAR(score_of(spec, data, table).metric, 80, 1e-9);
}

TEST(Score, LeavesOutWhatHasNoLabel) {
  DataSet data = testing::vote_data(4, 40, 9, 1);
  data[0].label = 0, data[1].label = 1, data[2].label = -1, data[3].label = 1;
  const torch::Tensor table = at::tensor(std::vector<float>{1, 0, 1, 0, 1, 0, 0, 1}).view({4, 2});
  const Score s = score_of(testing::vote_task(), data, table);
  EXPECT_NEAR(s.metric, 200.0 / 3, 1e-9);
  const double right = -std::log(std::exp(1) / (1 + std::exp(1))), wrong = -std::log(1 / (1 + std::exp(1)));
  EXPECT_NEAR(s.loss, (2 * right + wrong) / 3, 1e-6);
}

TEST(Score, TellsAModelThatAlwaysSaysTheSame) {
  DataSet data = testing::vote_data(3, 40, 9, 1);
  const torch::Tensor same = at::tensor(std::vector<float>{1, 0, 2, 0, 1, -1}).view({3, 2});
  const torch::Tensor mixed = at::tensor(std::vector<float>{1, 0, 0, 2, 1, -1}).view({3, 2});
  data[0].label = 0, data[1].label = 1, data[2].label = 0;
  EXPECT_TRUE(score_of(testing::vote_task(), data, same).one_answer);
  EXPECT_FALSE(score_of(testing::vote_task(), data, mixed).one_answer);
  data[1].label = 0;
  EXPECT_FALSE(score_of(testing::vote_task(), data, same).one_answer) << "all are right";
}

TEST(Score, OneRowForEachExampleInOrder) {
  for (const data::TaskSpec& spec : {testing::vote_task(), testing::tag_task()}) {
    const DataSet data = spec.kind == model::Task::token_classification ? testing::tag_data(150, 40, 7, 3)
                                                                        : testing::vote_data(150, 40, 13, 3);
    const EncoderModule m(testing::config_for(spec), 5, torch::kCPU);
    const torch::Tensor table = predict(m, data);
    const auto offsets = word_offsets(data);
    std::int64_t row = 0;
    for (std::size_t i = 0; i < data.size(); ++i) {
      const torch::Tensor alone = m.forward(collate(data, {i}, torch::kCPU), {}).logits;
      if (spec.kind == model::Task::token_classification) {
        EXPECT_EQ(row, offsets[i]);
      }
      EXPECT_LT((table.slice(0, row, row + alone.size(0)) - alone).abs().max().item<double>(), 1e-5) << i;
      row += alone.size(0);
    }
    EXPECT_EQ(row, table.size(0));
  }
}

}  // namespace
}  // namespace thex::convert
