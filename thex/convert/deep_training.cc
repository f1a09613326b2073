#include "thex/convert/deep_training.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "thex/convert/deep_limits.h"
#include "thex/convert/input_statistics.h"
#include "thex/convert/text_mixture.h"

namespace thex::convert {
namespace {

constexpr double kLimits = 10;  // weight of the penalty
// The share of all steps after which hard texts are sought and the penalty begins, and after which it counts in full:
// in the beginning everything is far from its limits, and what draws it there would spoil what the closed form found.
constexpr double kLimitsFrom = 0.4, kLimitsWhole = 0.6;
constexpr double kTaskWhole = 0.3;  // of all steps: the task's loss counts in full from here on
constexpr long kEpochSteps = 150, kLeastEpochs = 6;
constexpr double kTokensForInputs = 30000;  // all that goes into every matrix is held for them at once
constexpr long kCureSteps = 40;
constexpr int kMostCures = 10;
constexpr double kCureRate = 0.5, kHardOfCure = 0.4;
// Hard texts are long ones mostly: a cure takes so many times fewer of them a step, from as many variants.
constexpr std::size_t kBatchOfCure = 3, kLeastBatch = 8;

// Of variants of texts, and says how they are spread.
std::vector<double> told_distances(const DeepLimits& limits, const EncoderModule& module, const DataSet& variants,
                                   const std::string& name, const Log& log) {
  std::vector<double> distances = limits.farthest(module, variants);
  std::vector<double> sorted = distances;
  std::ranges::sort(sorted);
  const auto at = [&](double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
  };
  char line[160];
  std::snprintf(line, sizeof line,
                "%s: mean squares in variants of texts, in units of the usual: half below %.2f, 99 %% below %.2f, "
                "largest %.3g",
                name.c_str(), at(0.5), at(0.99), sorted.back());
  log(line);
  return distances;
}

// Which of some texts have distances that are too large.
std::vector<char> lost_of(const std::vector<double>& distances) {
  std::vector<char> lost;
  for (const double distance : distances) lost.push_back(!(distance < DeepLimits::kFarthest));
  return lost;
}
std::size_t count_of(const std::vector<char>& lost) {
  return static_cast<std::size_t>(std::ranges::count(lost, char{1}));
}

// The epochs go on counting.
void append(Curve& curve, const Curve& more) {
  for (EpochPoint p : more) {
    p.epoch = static_cast<int>(curve.size()) + 1;
    curve.push_back(p);
  }
}

// Where texts are lost still, more that are hard, until none is; else what loses fewest stays. `shares` and `t`: of the
// training before.
void cure(EncoderModule& module, const TaskData& data, const DeepLimits& limits, const DataSet& measured,
          TextMixtureOptions shares, TrainOptions t, const Loss& loss,
          const std::function<bool(const std::string&)>& trainable, const Log& log) {
  const std::size_t batch = t.batch_size;
  const std::uint64_t seed = shares.seed;
  t.batch_size = std::max(std::min(batch, kLeastBatch), batch / kBatchOfCure);
  shares.hard = kHardOfCure;
  shares.kept *= static_cast<double>(t.batch_size) / static_cast<double>(batch);
  shares.count = static_cast<std::size_t>(kCureSteps) * t.batch_size;
  t.learning_rate *= kCureRate;
  t.epochs = 1;
  Curve* const curve = t.curve;
  Curve of_cure;
  t.curve = &of_cure;
  const std::string name = t.name;
  std::vector<char> ever_lost(measured.size());  // what is cured is not to fall ill again
  std::optional<EncoderModule> best;
  std::size_t fewest = 0;
  for (int number = 1;; ++number) {
    shares.seed = seed + 100 * static_cast<std::uint64_t>(number);
    const TextMixture harder(data.split.train, data.texts, data.words, shares);
    const std::vector<char> lost = lost_of(limits.farthest(module, measured));
    std::size_t count = count_of(lost);
    if (count > 0) log(t.name + ": " + std::to_string(count) + " texts that are measured later are lost");
    DataSet texts = harder.epoch(0, [&](const DataSet& variants) {
      std::vector<double> distances = told_distances(limits, module, variants, t.name, log);
      count += count_of(lost_of(distances));
      return distances;
    });
    if (!best || count < fewest) {
      best = module.clone();
      fewest = count;
    }
    if (count == 0 || number > kMostCures) break;
    // As many again at most, those that are lost now first.
    const std::size_t most = 2 * texts.size();
    for (const bool now : {true, false})
      for (std::size_t i = 0; i < measured.size() && texts.size() < most; ++i)
        if (now ? lost[i] : ever_lost[i] && !lost[i]) texts.push_back(measured[i]);
    for (std::size_t i = 0; i < measured.size(); ++i) ever_lost[i] = ever_lost[i] || lost[i];
    t.epoch_examples = texts.size();
    t.name = name + "-cure-" + std::to_string(number);
    t.examples = [&](int, const EncoderModule&) { return texts; };
    try {
      train(module, data, t, loss, trainable, log);
    } catch (const Diverged& e) {
      log(std::string(e.what()) + "; what loses fewest texts stays");
      if (curve != nullptr && !curve->empty()) ++curve->back().restarts;
      break;
    }
    if (curve != nullptr) append(*curve, of_cure);
  }
  module = *best;
}

}  // namespace

long deep_epoch_steps(long steps) { return std::clamp(steps / kLeastEpochs, 1L, kEpochSteps); }

void train_deep_polynomial(EncoderModule& module, const StateTeacher& teacher, const DataSet& usual,
                           const TaskData& data, const Loss& task, const DeepTrainingOptions& o, TrainOptions t,
                           const Log& log) {
  log(t.name + ": usual sizes of values, and what goes into each matrix");
  const DeepLimits limits(module, usual);
  limits.hold(module);
  const long per_epoch = deep_epoch_steps(o.steps);
  TextMixtureOptions shares{.count = static_cast<std::size_t>(per_epoch) * t.batch_size,
                            .longest = static_cast<std::size_t>(data.max_length),
                            .seed = o.seed};
  t.epoch_examples = shares.count;
  t.epochs = static_cast<int>((o.steps + per_epoch - 1) / per_epoch);
  t.keep_last = true;  // the best by accuracy may be lost at other texts
  const auto few = static_cast<std::size_t>(kTokensForInputs / std::max(1.0, mean_length(usual)));
  t.inputs = input_statistics(module, evenly_spaced(usual, std::max<std::size_t>(few, 1)));
  const TextMixture mixture(data.split.train, data.texts, data.words, shares);
  t.examples = [&](int epoch, const EncoderModule& now) {
    const bool early = static_cast<double>(epoch * per_epoch) < kLimitsFrom * static_cast<double>(o.steps);
    if (early) return mixture.epoch(epoch, {});
    return mixture.epoch(epoch,
                         [&](const DataSet& variants) { return told_distances(limits, now, variants, t.name, log); });
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
  const auto trainable = [&](const std::string& n) { return words || n.rfind("embeddings.", 0) != 0; };
  train(module, data, t, loss, trainable, log);

  t.before_step = [&](double) { task_share = limits_share = 1; };
  cure(module, data, limits, o.measured, shares, t, loss, trainable, log);
}

}  // namespace thex::convert
