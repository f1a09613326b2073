// The training loop on synthetic tasks: it learns each of them, ends early, goes on after an interruption bit for bit,
// and says what stopped it.
#include "thex/convert/train.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <limits>
#include <set>
#include <vector>

#include "tests/support/training.h"
#include "thex/base/error.h"
#include "thex/convert/memory.h"
#include "thex/convert/plain_model.h"

namespace thex::convert {
namespace {

const Log kSilent = [](const std::string&) {};
const auto kAll = [](const std::string&) { return true; };

struct Case {
  data::TaskSpec spec;
  DataSet (*make)(std::size_t, int, int, std::uint64_t);
  int longest;
  double wanted;  // held-out metric after training
};

std::vector<Case> cases() {
  return {{testing::vote_task(), testing::vote_data, 13, 85},
          {testing::vote_task(), testing::pair_data, 5, 70},
          {testing::share_task(), testing::share_data, 13, 85},
          {testing::tag_task(), testing::tag_data, 7, 85}};
}

TrainOptions quick(int epochs) {
  TrainOptions t;
  t.name = "test";
  t.epochs = epochs;
  t.batch_size = 32;
  t.learning_rate = t.embedding_rate = 3e-3;
  return t;
}

TEST(Train, LearnsEveryTask) {
  for (const Case& c : cases()) {
    const TaskData data = testing::task_data(c.spec, c.make(1500, 40, c.longest, 1), c.make(300, 40, c.longest, 2));
    EncoderModule m(testing::config_for(c.spec), 5, torch::kCPU);
    start_head(m, data.split.train);
    const Score before = evaluate(m, data.spec, data.dev);
    const Score held = train(m, data, quick(8), label_loss(objective_of(c.spec.kind, data.split.train)), kAll, kSilent);
    const Score after = evaluate(m, data.spec, data.dev);
    EXPECT_GT(held.metric, c.wanted) << c.spec.name;
    EXPECT_GT(after.metric, before.metric + 5) << c.spec.name;
    EXPECT_LT(after.loss, before.loss) << c.spec.name;
  }
}

TEST(Train, AnEpochMaySeeOtherExamplesEachTime) {
  const TaskData data = testing::task_data(testing::vote_task(), testing::vote_data(900, 40, 13, 1), {}, 50);
  TrainOptions o = quick(3);
  o.epoch_examples = 100;
  const Loss task = label_loss(objective_of(data.spec.kind, data.split.train));
  std::vector<std::set<std::int64_t>> steps;
  const Loss watching = [&](const Output& out, const Batch& batch) {
    const torch::Tensor index = batch.index.to(torch::kCPU).contiguous();
    steps.emplace_back(index.data_ptr<std::int64_t>(), index.data_ptr<std::int64_t>() + index.numel());
    return task(out, batch);
  };
  EncoderModule m(testing::config_for(data.spec), 5, torch::kCPU);
  train(m, data, o, watching, kAll, kSilent);
  ASSERT_EQ(steps.size(), 3U * 4);  // 100 examples are four batches of 32
  std::set<std::int64_t> first, all;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    all.insert(steps[i].begin(), steps[i].end());
    if (i < 4) first.insert(steps[i].begin(), steps[i].end());
  }
  EXPECT_LE(first.size(), 128U);
  EXPECT_GT(all.size(), 2 * first.size());
}

// The parameters after training with an interruption in the third epoch, at any place of it.
TEST(Train, GoesOnBitForBit) {
  at::set_num_threads(1);
  for (const Case& c : cases()) {
    const TaskData data = testing::task_data(c.spec, c.make(450, 40, c.longest, 1), {}, 50);
    const Loss loss = label_loss(objective_of(c.spec.kind, data.split.train));
    TrainOptions o = quick(5);
    o.forward.dropout = 0.1, o.forward.word_dropout = 0.1;
    o.checkpoint_seconds = 0;
    const EncoderModule start(testing::config_for(c.spec), 5, torch::kCPU);
    EncoderModule whole = start.clone();
    const Score expected = train(whole, data, o, loss, kAll, kSilent);

    const testing::TemporaryFolder folder;
    const CheckpointStore store(folder.path(), "one");
    o.store = &store;
    struct Killed {};
    int steps = 0;
    const Loss dying = [&](const Output& out, const Batch& batch) {
      if (++steps > 2 * 13 + 5) throw Killed();
      return loss(out, batch);
    };
    EncoderModule cut = start.clone();
    EXPECT_THROW(train(cut, data, o, dying, kAll, kSilent), Killed);
    EncoderModule again = start.clone();
    int resumed = 0;
    const Score score = train(again, data, o, loss, kAll, [&](const std::string& line) {
      resumed += line.find("resumed after epoch 2 of 5") != std::string::npos;
    });
    EXPECT_EQ(resumed, 1);
    EXPECT_EQ(score.metric, expected.metric);
    EXPECT_EQ(score.loss, expected.loss);
    for (const auto& [name, value] : whole.params) EXPECT_TRUE(at::equal(value, again.params.at(name))) << name;

    // Another fingerprint does not go on from it.
    const CheckpointStore other(folder.path(), "two");
    o.store = &other;
    o.epochs = 1;
    EncoderModule fresh = start.clone();
    resumed = 0;
    train(fresh, data, o, loss, kAll,
          [&](const std::string& line) { resumed += line.find("resumed") != std::string::npos; });
    EXPECT_EQ(resumed, 0);
  }
}

TEST(Train, EndsWhenNothingGetsBetter) {
  const TaskData data = testing::task_data(testing::vote_task(), testing::vote_data(450, 40, 13, 1), {}, 50);
  EncoderModule m(testing::small_config(), 5, torch::kCPU);
  TrainOptions o = quick(40);
  o.learning_rate = o.embedding_rate = 1e-12;  // nothing can get better
  o.patience = 3;
  int epochs = 0, said = 0;
  train(m, data, o, label_loss({}), kAll, [&](const std::string& line) {
    epochs += line.find("held-out") != std::string::npos && line.find("epoch ") != std::string::npos;
    said += line.find("no better for 3 epochs") != std::string::npos;
  });
  EXPECT_LT(epochs, 20);
  EXPECT_GE(epochs, 4);
  EXPECT_EQ(said, 1);
}

TEST(Train, NeverEndsWorseThanItBegan) {
  const TaskData data = testing::task_data(testing::vote_task(), testing::vote_data(450, 40, 13, 1), {}, 50);
  EncoderModule m(testing::small_config(), 5, torch::kCPU);
  TrainOptions o = quick(8);
  const Score good = train(m, data, o, label_loss({}), kAll, kSilent);
  const Parameters before = m.clone().params;
  const Loss away = [](const Output& out, const Batch& batch) { return -label_loss({})(out, batch); };
  o.epochs = 1;
  o.start_counts = true;
  Curve curve;
  o.curve = &curve;
  const Score score = train(m, data, o, away, kAll, kSilent);
  EXPECT_EQ(score.metric, good.metric);
  for (const auto& [name, value] : before) EXPECT_TRUE(at::equal(value, m.params.at(name))) << name;
  ASSERT_EQ(curve.size(), 1U);
  EXPECT_LT(curve[0].held_out, good.metric);
  const Curve back = curve_from(curve_text(curve));
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0].loss, curve[0].loss);
  EXPECT_EQ(back[0].held_out, curve[0].held_out);
  EXPECT_THROW(curve_from("1,2"), Error);
  for (const char* damaged : {"1,2,x;", "1,2,3;", "1,2,3,4", "1,2,3,-1;", "1,2,3,4;5", "9e99,1,1,0;"})
    EXPECT_THROW(curve_from(damaged), Error) << damaged;
}

// In the second epoch the loss is once no number, and a gradient once: the epoch begins again where it began, each time
// at half the rate.
TEST(Train, BeginsADivergedEpochAgain) {
  for (const bool by_gradient : {false, true}) {
    const TaskData data = testing::task_data(testing::vote_task(), testing::vote_data(450, 40, 13, 1), {}, 50);
    EncoderModule m(testing::small_config(), 5, torch::kCPU);
    TrainOptions o = quick(3);
    Curve curve;
    o.curve = &curve;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    int steps = 0, said = 0;
    std::vector<Parameters> before_step;
    o.before_step = [&](double) { before_step.push_back(m.clone().params); };
    const Loss once_bad = [&](const Output& out, const Batch& batch) {
      const torch::Tensor loss = label_loss({})(out, batch);
      if (++steps != 13 + 3 && steps != 13 + 3 + 5) return loss;
      if (!by_gradient) return loss * nan;
      out.logits.register_hook([nan](const torch::Tensor& gradient) { return gradient * nan; });
      return loss;
    };
    at::set_num_threads(1);
    train(m, data, o, once_bad, kAll,
          [&](const std::string& line) { said += line.find("epoch 2 begins again at half the rate") != line.npos; });
    EXPECT_EQ(said, 2);
    ASSERT_EQ(curve.size(), 3U);
    EXPECT_EQ(curve[0].restarts + curve[2].restarts, 0);
    EXPECT_EQ(curve[1].restarts, 2);
    EXPECT_EQ(curve_from(curve_text(curve))[1].restarts, 2);
    ASSERT_EQ(before_step.size(), 3U * 13 + 3 + 5);
    const auto distance = [&](std::size_t from) {
      double sum = 0;
      for (const auto& [name, value] : before_step[from])
        sum += (before_step[from + 1].at(name) - value).square().sum().item<double>();
      return std::sqrt(sum);
    };
    for (const auto& [name, value] : before_step[13]) {
      EXPECT_TRUE(at::equal(value, before_step[13 + 3].at(name))) << name;
      EXPECT_TRUE(at::equal(value, before_step[13 + 3 + 5].at(name))) << name;
      EXPECT_TRUE(at::isfinite(m.params.at(name)).all().item<bool>()) << name;
    }
    EXPECT_NEAR(distance(13 + 3), distance(13) / 2, 1e-3 * distance(13));
    EXPECT_NEAR(distance(13 + 3 + 5), distance(13) / 4, 1e-3 * distance(13));
  }
}

TEST(Train, SaysThatItDiverged) {
  const TaskData data = testing::task_data(testing::vote_task(), testing::vote_data(450, 40, 13, 1), {}, 50);
  EncoderModule m(testing::small_config(), 5, torch::kCPU);
  const Loss bad = [](const Output& out, const Batch&) { return out.logits.sum() / 0.0; };
  EXPECT_THROW(train(m, data, quick(1), bad, kAll, kSilent), Error);
}

TEST(Train, SaysThatMemoryRanOut) {
  const TaskData data = testing::task_data(testing::vote_task(), testing::vote_data(450, 40, 13, 1), {}, 50);
  EncoderModule m(testing::small_config(), 5, torch::kCPU);
  const Loss huge = [](const Output& out, const Batch&) {
    return out.logits.sum() + at::empty({std::int64_t{1} << 50}).sum();  // more than any address space has
  };
  try {
    train(m, data, quick(1), huge, kAll, kSilent);
    FAIL() << "was trained";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("--batch"), std::string::npos) << e.what();
  }
}

// A limit of the size of files stands for a full disk: the write fails, the checkpoint before it stays and is used.
TEST(Train, AFullDiskLeavesTheLastCheckpoint) {
  const TaskData data = testing::task_data(testing::vote_task(), testing::vote_data(450, 40, 13, 1), {}, 50);
  const EncoderModule start(testing::small_config(), 5, torch::kCPU);
  const testing::TemporaryFolder folder;
  const CheckpointStore store(folder.path(), "one");
  TrainOptions o = quick(4);
  o.checkpoint_seconds = 0;
  o.store = &store;
  EncoderModule m = start.clone();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  int epochs = 0;
  std::string message;
  try {
    train(m, data, o, label_loss({}), kAll, [&](const std::string& line) {
      if (line.find("epoch 2 of 4") == std::string::npos) return;
      rlimit small = before;
      small.rlim_cur = 1000;
      setrlimit(RLIMIT_FSIZE, &small);
      ++epochs;
    });
  } catch (const Error& e) {
    message = e.what();
    EXPECT_EQ(e.code(), ErrorCode::file);
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(epochs, 1);
  EXPECT_NE(message.find(training_state_name("test")), std::string::npos) << message;
  EncoderModule again = start.clone();
  int resumed = 0;
  train(again, data, o, label_loss({}), kAll,
        [&](const std::string& line) { resumed += line.find("resumed after epoch 1 of 4") != std::string::npos; });
  EXPECT_EQ(resumed, 1);
}

TEST(Train, EpochsFollowFromSteps) {
  EXPECT_EQ(epochs_for(1000, 100, 95, 1), 10);
  EXPECT_EQ(epochs_for(1001, 100, 95, 1), 9);
  EXPECT_EQ(epochs_for(100000, 64, 400, 2), 2);
  EXPECT_EQ(epochs_for(0, 64, 3, 1), 3);
  EXPECT_EQ(epochs_for(100000, 100, 95, 1, 1000), 10);
}

TEST(Memory, GrowsWithWhatItDependsOn) {
  const model::ModelConfig c = testing::small_config();
  const MemoryEstimate one = training_memory(c, 32, 24, false);
  EXPECT_GT(one.parameters, 4U * 5 * 40 * 16);
  EXPECT_EQ(training_memory(c, 64, 24, false).activations, 2 * one.activations);
  EXPECT_GT(training_memory(c, 32, 48, false).activations, 2 * one.activations);
  EXPECT_GT(training_memory(c, 32, 24, true).parameters, one.parameters);
  EXPECT_EQ(deep_training_memory(c, 32, 24, 0).activations, one.activations);
  EXPECT_GT(deep_training_memory(c, 32, 24, 100000).activations, one.activations);
}

}  // namespace
}  // namespace thex::convert
