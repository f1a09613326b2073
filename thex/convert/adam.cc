#include "thex/convert/adam.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "thex/convert/workers.h"

namespace thex::convert {

using torch::Tensor;

namespace {

Tensor times(const Tensor& a, const Tensor& root) { return root.dim() == 1 ? a * root : at::matmul(a, root); }

}  // namespace

void Adam::whiten_gradients(std::map<std::string, Tensor>& params) const {
  std::vector<std::string> layers;
  for (const auto& [layer, input] : inputs_)
    if (const auto weight = params.find(layer + ".weight"); weight != params.end() && weight->second.grad().defined())
      layers.push_back(layer);
  if (layers.empty()) return;
  in_parallel(layers.size(), params.at(layers[0] + ".weight").device(), [&](std::size_t i) {
    const InputStatistics& input = inputs_.at(layers[i]);
    Tensor& g = params.at(layers[i] + ".weight").mutable_grad();
    g = times(g - at::outer(params.at(layers[i] + ".bias").grad(), input.mean), input.inverse_root);
  });
}

// The moments take in a gradient; in units of the rate what it changes.
Tensor Adam::direction(State& s, const Tensor& g, double factor) const {
  const double c1 = 1 - std::pow(options_.beta1, steps_), c2 = 1 - std::pow(options_.beta2, steps_);
  s.m.mul_(options_.beta1).add_(g, (1 - options_.beta1) * factor);
  s.v.mul_(options_.beta2).addcmul_(g, g, (1 - options_.beta2) * factor * factor);
  return (s.v / c2).sqrt_().add_(options_.eps).reciprocal_().mul_(s.m).mul_(-1 / c1);
}

void Adam::step_parameters(std::map<std::string, Tensor>& params, double rate, double factor) {
  std::vector<std::string> names;
  for (auto& [name, p] : params) {
    if (!p.grad().defined()) continue;
    State& s = state_[name];
    if (!s.m.defined()) s = {at::zeros_like(p), at::zeros_like(p)};
    names.push_back(name);
  }
  if (names.empty()) return;
  std::map<std::string, Tensor> shifts;  // of biases, by what their matrices changed
  for (const auto& [layer, input] : inputs_) shifts[layer + ".bias"] = Tensor();
  in_parallel(names.size(), params.at(names[0]).device(), [&](std::size_t i) {
    Tensor& p = params.at(names[i]);
    if (options_.weight_decay > 0 && p.dim() > 1) p.mul_(1 - rate * options_.weight_decay);
    Tensor change = direction(state_.at(names[i]), p.grad(), factor).mul_(rate);
    p.mutable_grad().reset();
    const auto dot = names[i].rfind('.');
    const auto input = p.dim() > 1 && dot != std::string::npos ? inputs_.find(names[i].substr(0, dot)) : inputs_.end();
    if (input != inputs_.end()) {
      change = times(change, input->second.inverse_root);
      shifts.at(input->first + ".bias") = at::mv(change, input->second.mean);
    }
    p.add_(change);
  });
  for (const auto& [name, shift] : shifts)
    if (shift.defined()) params.at(name).sub_(shift);
}

bool Adam::step(std::map<std::string, Tensor>& params, double rate, Tensor table, Tensor row_gradient, Tensor row_ids,
                double table_rate) {
  at::NoGradGuard no_grad;
  whiten_gradients(params);
  const bool with_table = table.defined() && row_gradient.defined() && table_rate > 0;
  Tensor total;
  auto add = [&](const Tensor& g) { total = total.defined() ? total + g.square().sum() : g.square().sum(); };
  for (auto& [name, p] : params)
    if (p.grad().defined()) add(p.grad());
  if (with_table) add(row_gradient);
  const double norm = total.defined() ? std::sqrt(total.item<double>()) : 0;
  if (!std::isfinite(norm)) return false;
  ++steps_;
  const double factor = options_.clip > 0 ? std::min(1.0, options_.clip / (norm + 1e-12)) : 1;
  step_parameters(params, rate, factor);
  if (with_table) {
    if (!table_state_.m.defined()) table_state_ = {at::zeros_like(table), at::zeros_like(table)};
    State rows{table_state_.m.index_select(0, row_ids), table_state_.v.index_select(0, row_ids)};
    table.index_add_(0, row_ids, direction(rows, row_gradient, factor).mul_(table_rate));
    table_state_.m.index_copy_(0, row_ids, rows.m);
    table_state_.v.index_copy_(0, row_ids, rows.v);
  }
  return true;
}

AdamState AdamState::clone() const {
  AdamState copy;
  copy.steps = steps;
  for (const auto& [name, value] : m) copy.m[name] = value.clone();
  for (const auto& [name, value] : v) copy.v[name] = value.clone();
  return copy;
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
