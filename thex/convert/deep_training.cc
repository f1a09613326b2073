#include "thex/convert/deep_training.h"

#include <algorithm>
#include <cstdio>

#include "thex/convert/deep_limits.h"
#include "thex/convert/text_mixture.h"

namespace thex::convert {
namespace {

constexpr double kLimits = 10;  // weight of the penalty
// The share of all steps after which hard texts are sought and the penalty begins, and after which it counts in full:
// in the beginning everything is far from its limits, and what draws it there would spoil what the closed form found.
constexpr double kLimitsFrom = 0.4, kLimitsWhole = 0.6;
constexpr double kTaskWhole = 0.3;  // of all steps: the task's loss counts in full from here on
constexpr long kEpochSteps = 150, kLeastEpochs = 6;

void tell_distances(std::vector<double> distances, const std::string& name, const Log& log) {
  std::ranges::sort(distances);
  const auto at = [&](double share) {
    return distances[static_cast<std::size_t>(share * static_cast<double>(distances.size() - 1))];
  };
  char line[160];
  std::snprintf(line, sizeof line,
                "%s: mean squares in variants of texts, in units of the usual: half below %.2f, 99 %% below %.2f, "
                "largest %.3g",
                name.c_str(), at(0.5), at(0.99), distances.back());
  log(line);
}

}  // namespace

long deep_epoch_steps(long steps) { return std::clamp(steps / kLeastEpochs, 1L, kEpochSteps); }

void train_deep_polynomial(EncoderModule& module, const StateTeacher& teacher, const DataSet& usual,
                           const TaskData& data, const Loss& task, const DeepTrainingOptions& o, TrainOptions t,
                           const Log& log) {
  const DeepLimits limits(module, usual);
  limits.hold(module);
  const long per_epoch = deep_epoch_steps(o.steps);
  t.epoch_examples = static_cast<std::size_t>(per_epoch) * t.batch_size;
  t.epochs = static_cast<int>((o.steps + per_epoch - 1) / per_epoch);
  const TextMixture mixture(
      data.split.train, data.texts, data.words,
      {.count = t.epoch_examples, .longest = static_cast<std::size_t>(data.max_length), .seed = o.seed});
  t.examples = [&](int epoch, const EncoderModule& now) {
    if (static_cast<double>(epoch * per_epoch) < kLimitsFrom * static_cast<double>(o.steps))
      return mixture.epoch(epoch, nullptr);
    return mixture.epoch(epoch, [&](const DataSet& texts) {
      std::vector<double> distances = limits.farthest(now, texts);
      tell_distances(distances, t.name, log);
      return distances;
    });
  };
  t.wanted = [&](const Batch& batch) { return teacher.of(batch); };
  t.forward.guard = [&](const Batch& batch, std::size_t norm, const torch::Tensor& output) {
    return teacher.guarded(batch, norm, output);
  };
  double task_share = 0, limits_share = 0;
  t.before_step = [&](double done) {
    task_share = std::min(1.0, done / kTaskWhole);
    limits_share = std::clamp((done - kLimitsFrom) / (kLimitsWhole - kLimitsFrom), 0.0, 1.0);
  };
  t.after_step = [&](EncoderModule& m) { limits.hold(m); };
  const Loss loss = [&](const Output& out, const Batch& batch) {
    const torch::Tensor near = task(out, batch) * task_share + teacher.loss(out, batch) * o.states;
    return limits_share > 0 ? near + limits.penalty(out, batch) * (kLimits * limits_share) : near;
  };
  const bool words = t.embedding_rate > 0;
  train(
      module, data, t, loss, [&](const std::string& n) { return words || n.rfind("embeddings.", 0) != 0; }, log);
}

}  // namespace thex::convert
