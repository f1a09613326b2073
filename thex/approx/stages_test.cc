#include "thex/approx/stages.h"

#include <gtest/gtest.h>

#include "thex/approx/plain_model.h"
#include "thex/approx/testing.h"
#include "thex/base/error.h"

namespace thex::approx {
namespace {

const Log kSilent = [](const std::string&) {};

Split small_split() { return hold_out(testing::vote_data(1200, 40, 13, 1), 100, 1); }

WorkflowOptions quick() {
  WorkflowOptions o;
  o.final_epochs = 1;
  o.estimation_steps = 50;
  o.learning_rate = o.embedding_rate = 3e-3;
  o.word_dropout = o.dropout = 0;
  return o;
}

TEST(Checkpoint, ComesBackExactlyAndOnlyForItsFingerprint) {
  const testing::TemporaryFolder folder;
  EncoderModule m(testing::small_config(), 5, torch::kCPU);
  m.norms[1] = NormMode::shadow;
  for (const char* part : {"weight", "bias"}) {
    m.params[norm_prefix(1) + "AffineNorm." + part] = m.params.at(norm_prefix(1) + "LayerNorm." + part).clone();
  }
  m.config.pooler = false;
  const CheckpointStore store(folder.path(), "one");
  EXPECT_FALSE(store.load_module("a", torch::kCPU).has_value());
  store.save_module("a", m, {{"key", "value"}});
  const auto back = store.load_module("a", torch::kCPU);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->notes.at("key"), "value");
  EXPECT_EQ(back->module.norms, m.norms);
  EXPECT_FALSE(back->module.config.pooler);
  ASSERT_EQ(back->module.params.size(), m.params.size());
  for (const auto& [name, value] : m.params) EXPECT_TRUE(at::equal(value, back->module.params.at(name))) << name;
  EXPECT_FALSE(CheckpointStore(folder.path(), "two").load_module("a", torch::kCPU).has_value());
  EXPECT_FALSE(store.with("x").load_module("a", torch::kCPU).has_value());
}

TEST(Stages, WorkflowLearnsResumesAndIsReproducible) {
  const Split split = small_split();
  const DataSet dev = testing::vote_data(300, 40, 13, 99);
  EncoderModule plain(testing::small_config(), 5, torch::kCPU);
  TrainOptions t;
  t.epochs = 6;
  t.learning_rate = t.embedding_rate = 3e-3;
  const Score learned = train(
      plain, split, t, label_loss, [](const std::string&) { return true; }, kSilent);
  ASSERT_GT(learned.accuracy, 80);
  const torch::Tensor logits = all_logits(plain, split.train, kSilent);
  const testing::TemporaryFolder folder;
  const CheckpointStore store(folder.path(), "test");
  int resumed = 0;
  const Log count = [&](const std::string& line) { resumed += line.find("resumed") != std::string::npos; };
  const WorkflowResult first = run_workflow(plain, logits, split, dev, 24, quick(), store, count);
  EXPECT_EQ(resumed, 0);
  EXPECT_TRUE(first.module.to_model().config.he_friendly());
  EXPECT_GT(first.stages.back().dev.accuracy, 80);
  EXPECT_GT(first.ranges.max_relu_input(), 0);
  EXPECT_LT(first.ranges.max_relu_input(), 500);

  // Half of the checkpoints lost: the rest is used, the result is the same.
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    if (entry.path().filename().string() >= "stage-06") std::filesystem::remove(entry.path());
  const WorkflowResult second = run_workflow(plain, logits, split, dev, 24, quick(), store, count);
  EXPECT_EQ(resumed, 6);
  EXPECT_TRUE(second.module.to_model().config.he_friendly());
  ASSERT_EQ(second.module.params.size(), first.module.params.size());
  for (const auto& [name, value] : first.module.params)
    EXPECT_TRUE(at::equal(value, second.module.params.at(name))) << name;
  ASSERT_EQ(second.stages.size(), first.stages.size());
  for (std::size_t i = 0; i < first.stages.size(); ++i)
    EXPECT_NEAR(second.stages[i].dev.accuracy, first.stages[i].dev.accuracy, 1e-6) << first.stages[i].name;

  // Other options: nothing is resumed but what they do not touch.
  resumed = 0;
  WorkflowOptions other = quick();
  other.learning_rate *= 0.5;
  run_workflow(plain, logits, split, dev, 24, other, store, count);
  EXPECT_EQ(resumed, 0);
}

TEST(PlainModel, StudentStartsFromPrincipalComponents) {
  bert::ModelConfig big = testing::small_config();
  big.hidden = 32;
  const EncoderModule backbone(big, 3, torch::kCPU);
  const DataSet data = testing::vote_data(50, 40, 13, 1);
  const EncoderModule s = start_student(testing::small_config(), backbone.to_model(), data, 1, torch::kCPU);
  const torch::Tensor words = s.params.at("embeddings.word_embeddings.weight");
  EXPECT_EQ(words.size(0), 40);
  EXPECT_EQ(words.size(1), 16);
  EXPECT_NEAR(words.std().item<double>(), 0.05, 1e-4);
  const torch::Tensor variance = words.var(0);
  EXPECT_GT(variance[0].item<double>(), variance[15].item<double>());
  bert::ModelConfig wide = testing::small_config();
  wide.hidden = 64;
  EXPECT_THROW(start_student(wide, backbone.to_model(), data, 1, torch::kCPU), Error);
}

}  // namespace
}  // namespace thex::approx
