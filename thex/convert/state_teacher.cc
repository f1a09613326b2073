#include "thex/convert/state_teacher.h"

#include "thex/base/error.h"
#include "thex/convert/workers.h"

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

StateTeacher::StateTeacher(const EncoderModule& plain, const DataSet& data, const EncoderModule* outputs)
    : plain_(plain), outputs_(outputs) {
  if (data.empty()) throw Error(ErrorCode::input, "no examples to learn states from");
  at::NoGradGuard no_grad;
  const auto batches = sorted_batches(data, 32);
  std::vector<std::vector<Tensor>> rows(2 * static_cast<std::size_t>(plain.config.layers),
                                        std::vector<Tensor>(batches.size()));
  in_parallel(batches.size(), plain.device, [&](std::size_t b) {
    const Batch batch = collate(data, batches[b], plain_.device);
    const std::vector<Tensor> states = norm_outputs(plain_.forward(batch, every_row()));
    for (std::size_t i = 0; i < states.size(); ++i) rows[i][b] = real_rows(batch, states[i]);
  });
  for (const auto& of_sublayer : rows) {
    const Tensor variance = at::cat(of_sublayer).var(0, false);
    weights_.push_back(2 / (variance + variance.mean()));
  }
}

std::shared_ptr<const Wanted> StateTeacher::of(const Batch& batch) const {
  at::NoGradGuard no_grad;
  const Output out = plain_.forward(batch, every_row());
  return std::make_shared<const Wanted>(
      Wanted{norm_outputs(out), outputs_ != nullptr ? outputs_->forward(batch, {}).logits : out.logits});
}

Tensor StateTeacher::difference(const Batch& batch, std::size_t sublayer, const Tensor& state) const {
  const Tensor wanted = batch.wanted->states[sublayer].slice(1, 0, state.size(1));
  return ((state - wanted).square() * weights_[sublayer]).mean(-1);
}

Tensor StateTeacher::guarded(const Batch& batch, std::size_t sublayer, const Tensor& state, double limit) const {
  const Tensor wanted = batch.wanted->states[sublayer].slice(1, 0, state.size(1));
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
    const Tensor counted = by_root_beyond(squared, kLarge);
    Tensor weight = batch.mask.slice(1, 0, squared.size(1)).clone();
    weight.select(1, 0).mul_(kClsWeight);
    const double share = i + 1 == states.size() ? 2 : 1;
    const Tensor term = (counted * weight).sum() / weight.sum() * share;
    sum = sum.defined() ? sum + term : term;
    all += share;
  }
  return sum / all;
}

}  // namespace thex::convert
