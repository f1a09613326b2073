#include "thex/convert/adam.h"

#include <algorithm>
#include <cmath>

namespace thex::convert {

using torch::Tensor;

void Adam::step(std::map<std::string, Tensor>& params, double rate, Tensor table, Tensor row_gradient, Tensor row_ids,
                double table_rate) {
  at::NoGradGuard no_grad;
  ++steps_;
  const double c1 = 1 - std::pow(options_.beta1, steps_), c2 = 1 - std::pow(options_.beta2, steps_);
  const bool with_table = table.defined() && row_gradient.defined() && table_rate > 0;
  double factor = 1;
  if (options_.clip > 0) {
    Tensor total;
    auto add = [&](const Tensor& g) { total = total.defined() ? total + g.square().sum() : g.square().sum(); };
    for (auto& [name, p] : params)
      if (p.grad().defined()) add(p.grad());
    if (with_table) add(row_gradient);
    const double norm = total.defined() ? std::sqrt(total.item<double>()) : 0;
    factor = std::min(1.0, options_.clip / (norm + 1e-12));
  }
  for (auto& [name, p] : params) {
    Tensor g = p.grad();
    if (!g.defined()) continue;
    State& s = state_[name];
    if (!s.m.defined()) s = {at::zeros_like(p), at::zeros_like(p)};
    s.m.mul_(options_.beta1).add_(g, (1 - options_.beta1) * factor);
    s.v.mul_(options_.beta2).addcmul_(g, g, (1 - options_.beta2) * factor * factor);
    if (options_.weight_decay > 0 && p.dim() > 1) p.mul_(1 - rate * options_.weight_decay);
    p.addcdiv_(s.m, (s.v / c2).sqrt_().add_(options_.eps), -rate / c1);
    p.mutable_grad().reset();
  }
  if (with_table) {
    if (!table_state_.m.defined()) table_state_ = {at::zeros_like(table), at::zeros_like(table)};
    const Tensor g = row_gradient * factor;
    const Tensor m = table_state_.m.index_select(0, row_ids).mul_(options_.beta1).add_(g, 1 - options_.beta1);
    const Tensor v = table_state_.v.index_select(0, row_ids).mul_(options_.beta2).addcmul_(g, g, 1 - options_.beta2);
    table_state_.m.index_copy_(0, row_ids, m);
    table_state_.v.index_copy_(0, row_ids, v);
    const Tensor update = (m / c1) / ((v / c2).sqrt_().add_(options_.eps));
    table.index_add_(0, row_ids, update * -table_rate);
  }
}

AdamState Adam::state() const {
  AdamState out;
  out.steps = steps_;
  for (const auto& [name, s] : state_) out.m[name] = s.m, out.v[name] = s.v;
  if (table_state_.m.defined()) out.m["table"] = table_state_.m, out.v["table"] = table_state_.v;
  return out;
}

void Adam::restore(const AdamState& state) {
  steps_ = state.steps;
  state_.clear();
  table_state_ = {};
  for (const auto& [name, m] : state.m) (name == "table" ? table_state_ : state_[name]) = {m, state.v.at(name)};
}

}  // namespace thex::convert
