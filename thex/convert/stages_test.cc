#include "thex/convert/stages.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/training.h"
#include "thex/base/error.h"
#include "thex/convert/plain_model.h"

namespace thex::convert {
namespace {

const Log kSilent = [](const std::string&) {};

TaskData votes() {
  return testing::task_data(testing::vote_task(), testing::vote_data(1200, 40, 13, 1),
                            testing::vote_data(300, 40, 13, 99));
}

WorkflowOptions quick() {
  WorkflowOptions o;
  o.final_epochs = 1;
  o.min_steps = o.final_steps = 1;
  o.estimation_steps = 50;
  o.learning_rate = o.embedding_rate = 3e-3;
  o.word_dropout = o.dropout = 0;
  return o;
}

// A plain model that has learned the task.
EncoderModule learned(const TaskData& data) {
  EncoderModule plain(testing::small_config(), 5, torch::kCPU);
  TrainOptions t;
  t.epochs = 6;
  t.learning_rate = t.embedding_rate = 3e-3;
  const Score score = train(
      plain, data, t, label_loss({}), [](const std::string&) { return true; }, kSilent);
  EXPECT_GT(score.metric, 80);
  return plain;
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
  const TaskData data = votes();
  const EncoderModule plain = learned(data);
  const torch::Tensor logits = predict(plain, data.split.train);
  const testing::TemporaryFolder folder;
  const CheckpointStore store(folder.path(), "test");
  int resumed = 0;
  const Log count = [&](const std::string& line) { resumed += line.find("resumed") != std::string::npos; };
  const WorkflowResult first = run_workflow(plain, logits, data, quick(), store, count);
  EXPECT_EQ(resumed, 0);
  EXPECT_TRUE(first.module.to_model().config.he_friendly());
  EXPECT_GT(first.stages.back().dev.metric, 80);
  EXPECT_GT(first.ranges.max_relu_input(), 0);
  EXPECT_LT(first.ranges.max_relu_input(), 500);

  // Half of the checkpoints lost: the rest is used, the result is the same.
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    if (entry.path().filename().string() >= "stage-06") std::filesystem::remove(entry.path());
  const WorkflowResult second = run_workflow(plain, logits, data, quick(), store, count);
  EXPECT_EQ(resumed, 6);
  EXPECT_TRUE(second.module.to_model().config.he_friendly());
  ASSERT_EQ(second.module.params.size(), first.module.params.size());
  for (const auto& [name, value] : first.module.params)
    EXPECT_TRUE(at::equal(value, second.module.params.at(name))) << name;
  ASSERT_EQ(second.stages.size(), first.stages.size());
  for (std::size_t i = 0; i < first.stages.size(); ++i)
    EXPECT_NEAR(second.stages[i].dev.metric, first.stages[i].dev.metric, 1e-6) << first.stages[i].name;

  // Other options: nothing is resumed but what they do not touch.
  resumed = 0;
  WorkflowOptions other = quick();
  other.learning_rate *= 0.5;
  run_workflow(plain, logits, data, other, store, count);
  EXPECT_EQ(resumed, 0);
}

// The steps move states and head; the head that stays is the regression of the plain model's outputs all the same.
TEST(Stages, DeepModelsEndWithAHeadThatFits) {
  const TaskData data = votes();
  EncoderModule plain = learned(data);
  drop_pooler(plain, data.split.train);
  const testing::TemporaryFolder folder;
  WorkflowOptions o = quick();
  o.protocol = model::Protocol::masked_rounds;
  o.max_steps = o.final_steps = 12;
  const WorkflowResult result = run_workflow(plain, {}, data, o, CheckpointStore(folder.path(), "test"), kSilent);
  EncoderModule fitted = result.module.clone();
  fit_head(fitted, plain, data.split.train);
  for (const char* name : {"classifier.weight", "classifier.bias"}) {
    const torch::Tensor now = result.module.params.at(name), wanted = fitted.params.at(name);
    EXPECT_LT((now - wanted).norm().item<double>(), 0.01 * wanted.norm().item<double>()) << name;
  }
}

// Everything but the affine norms is as it was before stage 5, and these have come closer to the exact norms.
TEST(Stages, PaperProfileFreezesAllButTheNorms) {
  for (const data::TaskSpec& spec : {testing::vote_task(), testing::share_task(), testing::tag_task()}) {
    const bool tags = spec.kind == model::Task::token_classification;
    auto make = [&](std::size_t n, std::uint64_t seed) {
      return tags                                   ? testing::tag_data(n, 40, 7, seed)
             : spec.kind == model::Task::regression ? testing::share_data(n, 40, 13, seed)
                                                    : testing::vote_data(n, 40, 13, seed);
    };
    const TaskData data = testing::task_data(spec, make(600, 1), make(100, 2), 60);
    const EncoderModule plain(testing::config_for(spec), 5, torch::kCPU);
    const testing::TemporaryFolder folder;
    const CheckpointStore store(folder.path(), "test");
    WorkflowOptions o = quick();
    o.profile = Profile::paper;
    const WorkflowResult result = run_workflow(plain, {}, data, o, store, kSilent);
    EXPECT_TRUE(result.module.to_model().config.he_friendly());
    std::map<std::string, Parameters> stages;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      const std::string name = entry.path().stem().string();
      ASSERT_TRUE(name.starts_with("stage-")) << name;  // no training's state stays behind
      stages[name.substr(9)] = from_tensor_map(checkpoint::read_safetensors(entry.path()).tensors, torch::kCPU);
    }
    ASSERT_TRUE(stages.count("fine-tuned") && stages.count("affine-norm"));
    int affine = 0;
    for (const auto& [name, value] : stages.at("affine-norm")) {
      if (name.find("AffineNorm.") != std::string::npos) {
        const double start = name.ends_with("weight") ? 1 : 0;
        EXPECT_GT((value - start).abs().max().item<double>(), 0) << name;
        ++affine;
      } else {
        EXPECT_TRUE(at::equal(value, stages.at("fine-tuned").at(name))) << name;
      }
    }
    EXPECT_EQ(affine, 8);
    const Parameters &first = stages.at("softmax-estimation"), &last = stages.at("fine-tuned");
    int moved = 0;
    for (const auto& [name, value] : last) {
      const bool same = at::equal(value, first.at(name));
      if (name.find(".estimation.") != std::string::npos) {
        EXPECT_TRUE(same) << name;
      }
      moved += !same;
    }
    EXPECT_GT(moved, 20);
  }
}

TEST(Stages, EveryTaskBecomesFriendlyWithATeacher) {
  for (const data::TaskSpec& spec : {testing::share_task(), testing::tag_task()}) {
    const bool tags = spec.kind == model::Task::token_classification;
    auto make = [&](std::size_t n, std::uint64_t seed) {
      return tags ? testing::tag_data(n, 40, 7, seed) : testing::share_data(n, 40, 13, seed);
    };
    const TaskData data = testing::task_data(spec, make(1500, 1), make(200, 2));
    EncoderModule plain(testing::config_for(spec), 5, torch::kCPU);
    start_head(plain, data.split.train);
    TrainOptions t;
    t.epochs = 8;
    t.batch_size = 32;
    t.learning_rate = t.embedding_rate = 3e-3;
    const Score learned = train(
        plain, data, t, label_loss(objective_of(spec.kind, data.split.train)), [](const std::string&) { return true; },
        kSilent);
    ASSERT_GT(learned.metric, 80) << spec.name;
    const testing::TemporaryFolder folder;
    WorkflowOptions o = quick();
    o.hidden = 1;
    o.norm_group = 2;
    const WorkflowResult result =
        run_workflow(plain, predict(plain, data.split.train), data, o, CheckpointStore(folder.path(), "test"), kSilent);
    const model::Model model = result.module.to_model();
    EXPECT_TRUE(model.config.he_friendly());
    EXPECT_EQ(model.config.task, spec.kind);
    EXPECT_GT(result.stages.back().dev.metric, 75) << spec.name;
    ASSERT_EQ(result.ranges.layers.size(), 2U);
    for (const LayerMagnitudes& layer : result.ranges.layers)
      for (const auto& [name, m] : named(layer, model.config.thex->softmax)) {
        EXPECT_GT(m.rms, 0) << name;
        EXPECT_LE(m.rms, m.max) << name;
        EXPECT_LE(m.p50, m.p99) << name;
        EXPECT_LE(m.p99, m.p999) << name;
        EXPECT_LE(m.p999, m.max) << name;
      }
  }
}

TEST(Stages, OneRoundNeedsPolynomialsAlone) {
  const TaskData data = votes();
  const EncoderModule plain = learned(data);
  const testing::TemporaryFolder folder;
  const CheckpointStore store(folder.path(), "test");
  WorkflowOptions o = quick();
  o.protocol = model::Protocol::one_round;
  const torch::Tensor table = predict(plain, data.split.train);
  const WorkflowResult first = run_workflow(plain, table, data, o, store, kSilent);
  EXPECT_EQ(first.module.to_model().config.protocols().front(), model::Protocol::one_round);
  EXPECT_GT(first.stages.back().dev.metric, 75);
  int resumed = 0;
  const WorkflowResult second = run_workflow(plain, table, data, o, store, [&](const std::string& line) {
    resumed += line.find("resumed") != std::string::npos;
  });
  EXPECT_EQ(resumed, static_cast<int>(first.stages.size()));
  for (const auto& [name, value] : first.module.params)
    EXPECT_TRUE(at::equal(value, second.module.params.at(name))) << name;
  o.profile = Profile::paper;
  EXPECT_THROW(run_workflow(plain, {}, data, o, store, kSilent), Error);
}

TEST(PlainModel, AFreshHeadKeepsTheEncoder) {
  const EncoderModule start(testing::small_config(), 3, torch::kCPU);
  model::ModelConfig config = testing::small_config();
  config.labels = {"a", "b", "c"};
  const EncoderModule m = with_fresh_head(start.to_model(), config, 9, torch::kCPU);
  EXPECT_EQ(m.params.at("classifier.weight").size(0), 3);
  for (const auto& [name, value] : start.params)
    if (name.rfind("classifier.", 0) != 0) {
      EXPECT_TRUE(at::equal(value, m.params.at(name))) << name;
    }
  config.hidden = 32;
  EXPECT_THROW(with_fresh_head(start.to_model(), config, 9, torch::kCPU), Error);
}

TEST(PlainModel, StudentStartsFromPrincipalComponents) {
  model::ModelConfig big = testing::small_config();
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
  // Tokens attend to tokens like themselves.
  const Batch batch = collate(data, {0, 1, 2, 3}, torch::kCPU);
  ForwardOptions all_rows;
  all_rows.cls_only_last = false;
  const torch::Tensor u = s.forward(batch, all_rows).layers[0].u;  // [B, heads, L, L]
  EXPECT_GT(u.diagonal(0, 2, 3).mean().item<double>(), u.mean().item<double>() + 0.5);
  model::ModelConfig wide = testing::small_config();
  wide.hidden = 64;
  EXPECT_THROW(start_student(wide, backbone.to_model(), data, 1, torch::kCPU), Error);
}

}  // namespace
}  // namespace thex::convert
