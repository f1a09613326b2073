#include "thex/approx/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "thex/approx/adam.h"
#include "thex/base/error.h"

namespace thex::approx {
namespace {

using torch::Tensor;
constexpr const char* kWords = "embeddings.word_embeddings.weight";

std::string format(const char* pattern, auto... values) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, pattern, values...);
  return buffer;
}

double rate_factor(long step, long total, double warmup) {
  const double t = static_cast<double>(step + 1) / static_cast<double>(total + 1);
  return t < warmup ? t / warmup : (1 - t) / (1 - warmup);
}

}  // namespace

double selection(const Score& s) { return (s.accuracy + s.accuracy_long) / 2 - 1e-3 * s.loss; }

Score evaluate(const EncoderModule& module, const DataSet& data, std::size_t n_long) {
  at::NoGradGuard no_grad;
  Score score;
  std::size_t right = 0, right_long = 0;
  for (const auto& indices : sorted_batches(data, 64)) {
    const Batch batch = collate(data, indices, module.device);
    const Tensor logits = module.forward(batch, {}).logits;
    const Tensor log_p = at::log_softmax(logits, -1).gather(1, batch.labels.unsqueeze(1));
    score.loss -= log_p.sum().item<double>();
    const Tensor hits = logits.argmax(-1).eq(batch.labels).to(torch::kCPU, torch::kInt64);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const bool hit = hits.data_ptr<std::int64_t>()[i] != 0;
      right += hit;
      if (indices[i] < n_long) right_long += hit;
    }
  }
  score.count = data.size();
  const double n = static_cast<double>(std::max<std::size_t>(1, data.size()));
  score.loss /= n;
  score.accuracy = 100 * static_cast<double>(right) / n;
  score.accuracy_long = n_long ? 100 * static_cast<double>(right_long) / static_cast<double>(n_long) : score.accuracy;
  return score;
}

Tensor all_logits(const EncoderModule& module, const DataSet& data, const Log& log) {
  at::NoGradGuard no_grad;
  Tensor out =
      at::zeros({static_cast<std::int64_t>(data.size()), static_cast<std::int64_t>(module.config.labels.size())});
  const auto batches = sorted_batches(data, 64);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Batch batch = collate(data, batches[i], module.device);
    out.index_copy_(0, batch.index.to(torch::kCPU), module.forward(batch, {}).logits.to(torch::kCPU));
    if (i % 200 == 0) log(format("logits %zu/%zu", i, batches.size()));
  }
  return out;
}

Score train(EncoderModule& module, const Split& split, const TrainOptions& o, const Loss& loss,
            const std::function<bool(const std::string&)>& trainable, const Log& log, bool keep_last) {
  const bool words = o.embedding_rate > 0;
  Parameters moving;
  for (auto& [name, value] : module.params) {
    value = value.detach();
    if (name == kWords || !trainable(name)) continue;
    value.set_requires_grad(true);
    moving[name] = value;
  }
  Adam adam({.weight_decay = o.weight_decay, .clip = o.clip});
  const double mean = mean_length(split.train);
  const long per_epoch = static_cast<long>((split.train.size() + o.batch_size - 1) / o.batch_size);
  long total = per_epoch * o.epochs, step = 0;
  if (o.max_steps > 0) total = std::min(total, o.max_steps);
  ForwardOptions forward = o.forward;
  forward.train = true;
  Score best;
  double best_selection = -1;
  Parameters kept;
  const auto start = std::chrono::steady_clock::now();
  for (int epoch = 0; epoch < o.epochs && step < total; ++epoch) {
    double sum = 0;
    long count = 0;
    for (const auto& indices : shuffled_batches(split.train, o.batch_size, o.seed, epoch)) {
      if (step >= total) break;
      const Batch batch = collate(split.train, indices, module.device, o.length_power, mean);
      const Output out = module.forward(batch, forward);
      const Tensor value = loss(out, batch);
      value.backward();
      const double factor = rate_factor(step, total, o.warmup);
      adam.step(moving, o.learning_rate * factor, module.params.at(kWords), out.word_rows, batch.unique,
                words ? o.embedding_rate * factor : 0);
      const double v = value.item<double>();
      if (!std::isfinite(v))
        throw Error(ErrorCode::internal, "training '" + o.name + "' diverged at step " + std::to_string(step) +
                                             ": the loss is not finite; lower the learning rate");
      sum += v;
      ++count;
      if (++step % 200 == 0) {
        const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        log(format("%s: step %ld/%ld loss %.4f, %.0f s", o.name.c_str(), step, total, sum / static_cast<double>(count),
                   s));
        sum = 0;
        count = 0;
      }
    }
    const Score score = evaluate(module, split.held_out, split.held_out_long);
    log(format("%s: epoch %d/%d held-out %.2f %%, long %.2f %%, loss %.4f", o.name.c_str(), epoch + 1, o.epochs,
               score.accuracy, score.accuracy_long, score.loss));
    if (keep_last || selection(score) > best_selection) {
      best = score;
      best_selection = selection(score);
      if (!keep_last) {
        kept.clear();
        for (const auto& [name, value] : module.params)
          if (moving.count(name) || (words && name == kWords)) kept[name] = value.detach().clone();
      }
    }
  }
  for (auto& [name, value] : module.params) value = value.detach();
  for (auto& [name, value] : kept) module.params[name] = value;
  return best;
}

Tensor label_loss(const Output& out, const Batch& batch) {
  const Tensor log_p = at::log_softmax(out.logits, -1).gather(1, batch.labels.clamp_min(0).unsqueeze(1)).squeeze(1);
  const Tensor weight = batch.weight * batch.labels.ge(0).to(torch::kFloat32);
  return -(log_p * weight).sum() / weight.sum().clamp_min(1e-6);
}

Loss distillation_loss(Tensor teacher, double hard, double temperature) {
  return [=](const Output& out, const Batch& batch) {
    const Tensor target =
        teacher.index_select(0, batch.index.to(teacher.device())).to(out.logits.device()) / temperature;
    const Tensor log_p = at::log_softmax(out.logits / temperature, -1), log_t = at::log_softmax(target, -1);
    const Tensor kl = (log_t.exp() * (log_t - log_p)).sum(-1);
    const Tensor soft = (kl * batch.weight).sum() / batch.weight.sum() * (temperature * temperature);
    return label_loss(out, batch) * hard + soft * (1 - hard);
  };
}

}  // namespace thex::approx
