// Deep models from the closed form on: limits, teacher, training.
#include "thex/convert/deep_training.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/training.h"
#include "thex/base/error.h"
#include "thex/convert/deep_limits.h"
#include "thex/convert/deep_start.h"
#include "thex/convert/workers.h"

namespace thex::convert {
namespace {

using torch::Tensor;

const Log kSilent = [](const std::string&) {};

EncoderModule plain_module() {
  model::ModelConfig config = testing::small_config();
  config.pooler = false;
  return {config, 5, torch::kCPU};
}

EncoderModule started(const EncoderModule& plain, const DataSet& data) {
  EncoderModule module = plain.clone();
  start_deep_polynomial(module, data, {.seed = 1}, kSilent);
  return module;
}

TEST(DeepLimits, UsualTextsAreWithinAndThrownOnesAreNot) {
  const DataSet data = testing::vote_data(200, 40, 13, 1);
  EncoderModule module = started(plain_module(), data);
  const DeepLimits limits(module, data);
  const std::vector<double> usual = limits.farthest(module, data);
  ASSERT_EQ(usual.size(), data.size());
  for (const double v : usual) EXPECT_TRUE(std::isfinite(v) && v > 0) << v;
  const Batch batch = collate(data, {0, 1, 2, 3}, torch::kCPU);
  const double before = limits.penalty(module.forward(batch, {}), batch).item<double>();
  // Ten times the values after attention: mean squares of a hundred times.
  module.params.at("encoder.layer.0.attention.output.dense.weight") *= 30;
  const double after = limits.penalty(module.forward(batch, {}), batch).item<double>();
  EXPECT_GT(after, before + 1);
  EXPECT_GT(limits.farthest(module, data)[0], 3 * usual[0]);
  module.params.at("encoder.layer.0.attention.output.dense.weight") *= 1e30;
  EXPECT_TRUE(std::isinf(limits.farthest(module, data)[0]));
}

// Texts that are lost from the start do not count as usual.
TEST(DeepLimits, LostTextsAreNotUsual) {
  const DataSet data = testing::vote_data(100, 40, 13, 1);
  EncoderModule module = started(plain_module(), data);
  DataSet some;  // the others without the word that is to be lost
  for (const Sentence& s : data)
    if (std::ranges::count(s.ids, 39) == 0) some.push_back(s);
  const double before = DeepLimits(module, some).farthest(module, {some[0]})[0];
  some.push_back(data[1]);
  some.back().ids[1] = 39;
  module.params.at("embeddings.word_embeddings.weight")[39].fill_(std::nan(""));
  const DeepLimits limits(module, some);
  EXPECT_TRUE(std::isinf(limits.farthest(module, {some.back()})[0]));
  EXPECT_NEAR(limits.farthest(module, {some[0]})[0], before, 0.2 * before);
}

TEST(DeepLimits, SlopesAreHeld) {
  const DataSet data = testing::vote_data(100, 40, 13, 1);
  EncoderModule module = started(plain_module(), data);
  const EncoderModule before = module.clone();
  const DeepLimits limits(module, data);
  Tensor& slope = module.params.at("encoder.layer.1.attention.output.AffineNorm.slope");
  slope.fill_(-1e6);
  limits.hold(module);
  const double least = slope.item<double>();
  EXPECT_GT(least, -1e6);
  // The factor at five times the usual mean square is zero.
  std::vector<Tensor> squares;
  for (const auto& indices : sorted_batches(data, 32)) {
    const Batch batch = collate(data, indices, torch::kCPU);
    ForwardOptions all;
    all.cls_only_last = false;
    squares.push_back(
        before.forward(batch, all).layers[1].norm_in[0].square().mean(-1).masked_select(batch.mask.gt(0)));
  }
  EXPECT_NEAR(1 + 5 * least * at::cat(squares).median().item<double>(), 0, 1e-3);
  slope.fill_(7);
  limits.hold(module);
  EXPECT_EQ(slope.item<double>(), 0);
  EXPECT_THROW(DeepLimits(plain_module(), data)
                   .penalty(module.forward(collate(data, {0}, torch::kCPU), {}), collate(data, {0}, torch::kCPU)),
               Error);
}

TEST(StateTeacher, GuardsWhatIsFarAndLeavesWhatIsNear) {
  const DataSet data = testing::vote_data(100, 40, 13, 1);
  const EncoderModule plain = plain_module();
  const StateTeacher teacher(plain, data);
  Batch batch = collate(data, {0, 1, 2}, torch::kCPU);
  batch.wanted = teacher.of(batch);
  ASSERT_EQ(batch.wanted->states.size(), 4U);
  const Tensor state = batch.wanted->states[1];
  EXPECT_TRUE(at::equal(teacher.guarded(batch, 1, state), state));
  Tensor far = state.clone();
  far[0][0] += 100;
  far[1][1].fill_(std::nan(""));
  const Tensor held = teacher.guarded(batch, 1, far);
  EXPECT_TRUE(at::isfinite(held).all().item<bool>());
  EXPECT_LT((held - state).abs().max().item<double>(), 10);
  EXPECT_TRUE(at::allclose(held[2], state[2]));
  const Output out = plain.forward(batch, {});
  EXPECT_NEAR(teacher.loss(out, batch).item<double>(), 0, 1e-6);
  const EncoderModule other({plain.config, 9, torch::kCPU});
  EXPECT_TRUE(at::equal(StateTeacher(plain, data, &other).of(batch)->logits, other.forward(batch, {}).logits));
}

// From the closed form on.
EncoderModule trained_on_states(const EncoderModule& plain, const StateTeacher& teacher, const TaskData& data,
                                const DeepTrainingOptions& options, const Log& log = kSilent, Curve* curve = nullptr) {
  EncoderModule module = started(plain, data.split.train);
  TrainOptions t;
  t.name = "states";
  t.learning_rate = 2e-3;
  t.embedding_rate = 0;
  t.batch_size = 16;
  t.curve = curve;
  const Loss outputs = distillation_loss(
      {}, [](const Batch& batch) { return batch.wanted->logits; }, 0, 2);
  train_deep_polynomial(module, teacher, data.split.train, data, outputs, options, t, log);
  return module;
}

// The loss of the states falls, and two runs end alike whatever thread was first.
TEST(DeepTraining, DrawsTheStudentToThePlainModel) {
  const TaskData data =
      testing::task_data(testing::vote_task(), testing::vote_data(500, 40, 13, 1), testing::vote_data(100, 40, 13, 99));
  const EncoderModule plain = plain_module();
  const StateTeacher teacher(plain, data.split.train);
  const auto trained = [&](int threads) {
    at::set_num_threads(threads);
    EncoderModule module = trained_on_states(plain, teacher, data, {.steps = 40});
    at::set_num_threads(1);
    return module;
  };
  Batch batch = collate(data.dev, {0, 1, 2, 3, 4, 5, 6, 7}, torch::kCPU);
  batch.wanted = teacher.of(batch);
  const auto loss = [&](const EncoderModule& m) { return teacher.loss(m.forward(batch, {}), batch).item<double>(); };
  const EncoderModule a = trained(2), b = trained(2);
  for (const auto& [name, value] : a.params) EXPECT_TRUE(at::equal(value, b.params.at(name))) << name;
  EXPECT_LT(loss(a), 0.9 * loss(started(plain, data.split.train)));
  EXPECT_TRUE(at::equal(a.params.at("embeddings.word_embeddings.weight"),
                        plain.params.at("embeddings.word_embeddings.weight")));
}

// A text is lost for good because the embedding of a word is no number: training on it diverges, and the module stays
// as it was before.
TEST(DeepTraining, ACureThatDivergesLeavesTheModuleAsItWas) {
  static constexpr std::int64_t kBroken = 39;
  const auto whole = [](DataSet texts) {
    std::erase_if(texts, [](const Sentence& s) { return std::ranges::count(s.ids, kBroken) > 0; });
    return texts;
  };
  const TaskData data = testing::task_data(testing::vote_task(), whole(testing::vote_data(700, 40, 13, 1)),
                                           whole(testing::vote_data(100, 40, 13, 99)));
  EncoderModule plain = plain_module();
  plain.params.at("embeddings.word_embeddings.weight")[kBroken].fill_(std::nan(""));
  const StateTeacher teacher(plain, data.split.train);
  std::size_t told = 0, given_up = 0;
  const Log count = [&](const std::string& line) {
    told += line.find("1 texts that are measured") != std::string::npos;
    given_up += line.find("what loses fewest texts stays") != std::string::npos;
  };
  const auto trained = [&](const DataSet& measured, Curve& curve) {
    return trained_on_states(plain, teacher, data, {.steps = 30, .measured = measured}, count, &curve);
  };
  Curve before, after;
  const EncoderModule a = trained({data.split.train[0]}, before);
  EXPECT_EQ(told, 0U);
  Sentence broken = data.split.train[1];
  broken.ids[1] = kBroken;
  const EncoderModule b = trained({data.split.train[0], broken}, after);
  EXPECT_EQ(told, 1U);
  EXPECT_EQ(given_up, 1U);
  EXPECT_EQ(after.size(), before.size());
  for (const auto& [name, value] : a.params) EXPECT_TRUE(at::allclose(value, b.params.at(name), 0, 0, true)) << name;
}

TEST(Workers, TakeAllPiecesOnceAndThrowOn) {
  at::set_num_threads(3);
  std::vector<int> done(50, 0);
  in_parallel(50, torch::kCPU, [&](std::size_t i) {
    EXPECT_EQ(at::get_num_threads(), 1);
    ++done[i];
  });
  EXPECT_EQ(done, std::vector<int>(50, 1));
  EXPECT_EQ(at::get_num_threads(), 3);
  EXPECT_THROW(in_parallel(50, torch::kCPU,
                           [](std::size_t i) {
                             if (i == 7) throw Error(ErrorCode::usage, "seven");
                           }),
               Error);
  {
    at::NoGradGuard no_grad;
    in_parallel(4, torch::kCPU, [](std::size_t) { EXPECT_FALSE(at::GradMode::is_enabled()); });
  }
  at::set_num_threads(1);
}

}  // namespace
}  // namespace thex::convert
