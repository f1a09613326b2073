#include "thex/convert/state_teacher.h"

#include <utility>

#include "thex/base/error.h"

namespace thex::convert {
namespace {

using torch::Tensor;

constexpr double kLarge = 2;      // squared differences from here on count by their root
constexpr double kClsWeight = 3;  // of [CLS], which the head of a classifier reads

std::vector<Tensor> norm_outputs(const Output& out) {
  std::vector<Tensor> states;
  for (const LayerTrace& layer : out.layers)
    for (const Tensor& state : layer.norm_out) states.push_back(state);
  return states;
}

}  // namespace

StateTeacher::StateTeacher(const EncoderModule& plain, const DataSet& data) : plain_(plain.clone()) {
  if (data.empty()) throw Error(ErrorCode::input, "no examples to learn states from");
  at::NoGradGuard no_grad;
  ForwardOptions full;
  full.cls_only_last = false;
  std::vector<std::vector<Tensor>> rows(2 * static_cast<std::size_t>(plain.config.layers));
  for (const auto& indices : sorted_batches(data, 32)) {
    const Batch batch = collate(data, indices, plain_.device);
    const std::vector<Tensor> states = norm_outputs(plain_.forward(batch, full));
    const Tensor real = batch.mask.reshape({-1}).nonzero().squeeze(1);
    for (std::size_t i = 0; i < states.size(); ++i)
      rows[i].push_back(states[i].reshape({-1, plain.config.hidden}).index_select(0, real));
  }
  for (const auto& of_sublayer : rows) {
    const Tensor variance = at::cat(of_sublayer).var(0, false);
    weights_.push_back(2 / (variance + variance.mean()));
  }
}

const std::vector<Tensor>& StateTeacher::states(const Batch& batch) const {
  if (!of_.defined() || !of_.is_same(batch.index)) {
    at::NoGradGuard no_grad;
    ForwardOptions full;
    full.cls_only_last = false;
    states_ = norm_outputs(plain_.forward(batch, full));
    of_ = batch.index;
  }
  return states_;
}

Tensor StateTeacher::difference(const Batch& batch, std::size_t sublayer, const Tensor& state) const {
  const Tensor wanted = states(batch)[sublayer].slice(1, 0, state.size(1));
  return ((state - wanted).square() * weights_[sublayer]).mean(-1);
}

Tensor StateTeacher::guarded(const Batch& batch, std::size_t sublayer, const Tensor& state, double limit) const {
  const Tensor wanted = states(batch)[sublayer].slice(1, 0, state.size(1));
  Tensor share, finite;
  {
    at::NoGradGuard no_grad;
    const Tensor distance = difference(batch, sublayer, state).sqrt().unsqueeze(-1);
    finite = at::isfinite(distance);
    share = at::where(finite, (limit / distance.clamp_min(1e-9)).clamp_max(1), at::zeros_like(distance));
    if (share.min().item<double>() >= 1) return state;
  }
  return wanted + (at::where(finite, state, wanted) - wanted) * share;
}

Tensor StateTeacher::loss(const Output& out, const Batch& batch) const {
  const std::vector<Tensor> states = norm_outputs(out);
  Tensor sum;
  double all = 0;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const Tensor squared = difference(batch, i, states[i]);
    const Tensor counted =
        at::where(squared.lt(kLarge), squared, 2 * (kLarge * squared.clamp_min(kLarge)).sqrt() - kLarge);
    Tensor weight = batch.mask.slice(1, 0, squared.size(1)).clone();
    weight.select(1, 0).mul_(kClsWeight);
    const double share = i + 1 == states.size() ? 2 : 1;
    const Tensor term = (counted * weight).sum() / weight.sum() * share;
    sum = sum.defined() ? sum + term : term;
    all += share;
  }
  return sum / all;
}

Loss with_states(Loss task, std::shared_ptr<const StateTeacher> teacher, double weight) {
  return [task = std::move(task), teacher = std::move(teacher), weight](const Output& out, const Batch& batch) {
    return task(out, batch) + teacher->loss(out, batch) * weight;
  };
}

}  // namespace thex::convert
