#include "thex/convert/losses.h"

#include <cmath>
#include <memory>

#include "thex/base/error.h"

namespace thex::convert {
namespace {

using torch::Tensor;

// The weighted mean of -log p at `labels`; those below zero do not count.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& weights) {
  const Tensor log_p = at::log_softmax(logits, -1).gather(1, labels.clamp_min(0).unsqueeze(1)).squeeze(1);
  const Tensor weight = weights * labels.ge(0).to(torch::kFloat32);
  return -(log_p * weight).sum() / weight.sum().clamp_min(1e-6);
}

Tensor squared_error(const Tensor& logits, const Tensor& values, const Tensor& weights, double scale) {
  const Tensor known = at::isfinite(values);
  const Tensor weight = weights * known.to(torch::kFloat32);
  const Tensor target = at::where(known, values, at::zeros_like(values));
  const Tensor error = (logits.squeeze(-1) - target) / scale;
  return (error.square() * weight).sum() / weight.sum().clamp_min(1e-6);
}

}  // namespace

Objective objective_of(model::Task task, const DataSet& train) {
  Objective o{task, 1, 0};
  if (task != model::Task::regression) return o;
  double n = 0, sum = 0, squares = 0;
  for (const Sentence& s : train)
    if (std::isfinite(s.value)) ++n, sum += s.value;
  o.value_mean = n > 0 ? sum / n : 0;
  for (const Sentence& s : train)
    if (std::isfinite(s.value)) squares += (s.value - o.value_mean) * (s.value - o.value_mean);
  o.value_scale = n > 0 ? std::sqrt(squares / n) : 0;
  if (!(o.value_scale > 1e-9))
    throw Error(ErrorCode::input,
                "a regression needs at least two different target values in the training file: see --label-column");
  return o;
}

Loss label_loss(const Objective& o) {
  return [o](const Output& out, const Batch& batch) {
    switch (o.task) {
      case model::Task::regression:
        return squared_error(out.logits, batch.values, batch.weight, o.value_scale);
      case model::Task::token_classification:
        return cross_entropy(out.logits, batch.tags, batch.word_weight);
      default:
        return cross_entropy(out.logits, batch.labels, batch.weight);
    }
  };
}

Targets targets_of(model::Task task, Tensor table, const DataSet& train) {
  const bool words = by_token(task);
  const std::vector<std::int64_t> offsets = words ? word_offsets(train) : std::vector<std::int64_t>{};
  const std::int64_t expected = words ? offsets.back() : static_cast<std::int64_t>(train.size());
  if (table.size(0) != expected)
    throw Error(ErrorCode::internal,
                "the teacher's table has " + std::to_string(table.size(0)) + " rows, not " + std::to_string(expected));
  return [=](const Batch& batch) {
    return table.index_select(0, words ? word_rows(offsets, batch) : batch.index.to(torch::kCPU));
  };
}

Loss distillation_loss(const Objective& o, Targets teacher, double hard, double temperature) {
  const bool words = by_token(o.task);
  const Loss labels = label_loss(o);
  return [=](const Output& out, const Batch& batch) {
    const Tensor target = teacher(batch).to(out.logits.device());
    const Tensor weight = words ? batch.word_weight : batch.weight;
    Tensor soft;
    if (o.task == model::Task::regression) {
      soft = squared_error(out.logits, target.squeeze(-1), weight, o.value_scale);
    } else {
      const Tensor log_p = at::log_softmax(out.logits / temperature, -1);
      const Tensor log_t = at::log_softmax(target / temperature, -1);
      const Tensor kl = (log_t.exp() * (log_t - log_p)).sum(-1);
      soft = (kl * weight).sum() / weight.sum().clamp_min(1e-6) * (temperature * temperature);
    }
    return hard > 0 ? labels(out, batch) * hard + soft * (1 - hard) : soft;
  };
}

Loss with_hidden_states(Loss task, const EncoderModule& teacher, double weight) {
  const auto model = std::make_shared<EncoderModule>(teacher.clone());
  return [=](const Output& out, const Batch& batch) {
    Tensor loss = task(out, batch);
    Output wanted;
    {
      at::NoGradGuard no_grad;
      ForwardOptions options;
      options.cls_only_last = out.layers.back().norm_out[1].size(1) == 1;
      wanted = model->forward(batch, options);
    }
    const double share = weight / static_cast<double>(out.layers.size());
    for (std::size_t l = 0; l < out.layers.size(); ++l) {
      const Tensor have = out.layers[l].norm_out[1], want = wanted.layers[l].norm_out[1];
      const Tensor rows = batch.mask.slice(1, 0, have.size(1)).unsqueeze(-1);
      const Tensor size = (want * rows).square().sum() + 1e-6;
      loss = loss + ((have - want) * rows).square().sum() / size * share;
    }
    return loss;
  };
}

Tensor by_root_beyond(const Tensor& values, double limit) {
  return at::where(values.lt(limit), values, 2 * (limit * values.clamp_min(limit)).sqrt() - limit);
}

Loss norm_distillation_loss() {
  return [](const Output& out, const Batch& batch) {
    Tensor loss;
    for (const LayerTrace& t : out.layers)
      for (int i = 0; i < 2; ++i) {
        if (!t.norm_shadow[i].defined()) continue;
        const Tensor rows = batch.mask.slice(1, 0, t.norm_out[i].size(1)).unsqueeze(-1);
        const Tensor error =
            ((t.norm_shadow[i] - t.norm_out[i].detach()) * rows).square().sum() / (rows.sum() * t.norm_out[i].size(2));
        loss = loss.defined() ? loss + error : error;
      }
    if (!loss.defined()) throw Error(ErrorCode::usage, "no norm has an affine one beside it");
    return loss;
  };
}

}  // namespace thex::convert
