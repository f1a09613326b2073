#include "thex/convert/softmax_estimation.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "thex/convert/adam.h"
#include "thex/model/model.h"

namespace thex::convert {
namespace {

using torch::Tensor;
constexpr int kWidth = model::kEstimationWidth;

// Knots spread geometrically; the chord of 1/S between neighbours, as a sum of falling hinges.
Parameters closed_form(const EstimationOptions& o) {
  std::vector<double> knots(kWidth + 1), value(kWidth + 1);
  for (int i = 0; i <= kWidth; ++i) {
    knots[i] = o.min_sum * std::pow(o.max_sum / o.min_sum, static_cast<double>(i) / kWidth);
    value[i] = 1 / knots[i];
  }
  // A chord lies above a convex curve: lower each value a little so that the error has both signs.
  const double ratio = knots[1] / knots[0];
  const double excess = (std::sqrt(ratio) - 1) * (std::sqrt(ratio) - 1) / ratio * std::sqrt(ratio);
  for (double& v : value) v /= 1 + excess / 2;
  Tensor w0 = at::zeros({kWidth, 1}), b0 = at::zeros({kWidth}), w2 = at::eye(kWidth), b2 = at::zeros({kWidth});
  Tensor w4 = at::zeros({1, kWidth}), b4 = at::full({1}, value[kWidth]);
  double slope_after = 0;  // of the piece to the right of the knot
  for (int i = kWidth - 1; i >= 0; --i) {
    const double k = knots[i + 1];
    const double slope = (value[i + 1] - value[i]) / (knots[i + 1] - knots[i]);
    const double a = slope_after - slope;  // this hinge's multiple of ReLU(k - S)
    slope_after = slope;
    // ReLU(k - S) = (1/s) ReLU(s k - s S) with s small enough that s * max_sum stays within max_pre.
    const double s = std::min(4 / k, o.max_pre / o.max_sum);
    w0[i][0] = -s;
    b0[i] = s * k;
    w4[0][i] = a / s;
  }
  return {{"0.weight", w0}, {"0.bias", b0}, {"2.weight", w2}, {"2.bias", b2}, {"4.weight", w4}, {"4.bias", b4}};
}

struct Scores {
  Tensor cubes, softmax, mask;  // [rows, max_length]
};

Scores draw(const EstimationOptions& o, int rows, at::Generator& gen, bool full_length) {
  Tensor x = (at::rand({rows, o.max_length}, gen, torch::kFloat32) * 2 - 1) * o.score_limit;
  Tensor mask = at::ones({rows, o.max_length});
  if (!full_length) {
    const Tensor spread = at::rand({rows, 1}, gen, torch::kFloat32);
    const Tensor shift = (at::rand({rows, 1}, gen, torch::kFloat32) * 2 - 1) * (1 - spread) * o.score_limit;
    x = x * spread + shift;
    const Tensor u = at::rand({rows, 1}, gen, torch::kFloat32);
    const Tensor length = (u * std::log(static_cast<double>(o.max_length) / o.min_length)).exp() * o.min_length;
    mask = at::arange(o.max_length, torch::kFloat32).unsqueeze(0).lt(length).to(torch::kFloat32);
  }
  const Tensor u = at::relu(x * 0.5 + 1);
  return {u * u * u * mask, at::softmax(x + (mask - 1) * 1e9, -1), mask};
}

}  // namespace

ReciprocalTrace reciprocal(const Parameters& p, const std::string& prefix, const Tensor& sum) {
  ReciprocalTrace t;
  t.pre1 = at::linear(sum, p.at(prefix + "0.weight"), p.at(prefix + "0.bias"));
  t.pre2 = at::linear(at::relu(t.pre1), p.at(prefix + "2.weight"), p.at(prefix + "2.bias"));
  t.value = at::linear(at::relu(t.pre2), p.at(prefix + "4.weight"), p.at(prefix + "4.bias"));
  return t;
}

std::pair<Parameters, EstimationReport> fit_estimation(const EstimationOptions& o) {
  auto gen = at::detail::createCPUGenerator(o.seed);
  const Parameters start = closed_form(o);
  // The closed form's entries span six orders of magnitude, so relative corrections are trained, not the entries: every
  // hinge keeps its sign, and T stays positive and falling.
  Parameters change;
  for (const auto& [name, value] : start) change[name] = at::zeros_like(value).set_requires_grad(true);
  auto current = [&] {
    Parameters p;
    for (const auto& [name, value] : start) p[name] = value * (change.at(name) + 1);
    return p;
  };
  Adam adam({.weight_decay = 0, .clip = 1.0});
  const Tensor grid = at::linspace(std::log(o.min_sum), std::log(o.max_sum), 512).unsqueeze(1).exp();
  const Tensor wide = at::cat({at::zeros({1, 1}), grid});
  for (int step = 0; step < o.steps; ++step) {
    const Parameters p = current();
    const Scores s = draw(o, 32, gen, false);
    const Tensor value = reciprocal(p, "", s.cubes.sum(-1, true)).value;
    // Relative error on a fixed grid keeps T right for every length; the softmax term fits what attention needs.
    const Tensor scaled = (s.cubes * value - s.softmax) * s.mask.sum(-1, true).sqrt();
    const Tensor relative = reciprocal(p, "", grid).value * grid - 1;
    const ReciprocalTrace w = reciprocal(p, "", wide);
    const Tensor over =
        at::relu(w.pre1.abs() - o.max_pre).square().mean() + at::relu(w.pre2.abs() - o.max_pre).square().mean();
    const Tensor loss = scaled.square().mean() + relative.square().mean() * 10 + over;
    loss.backward();
    const double progress = static_cast<double>(step) / o.steps;
    adam.step(change, o.learning_rate * std::min(1.0, progress * 10) * 0.5 * (1 + std::cos(M_PI * progress)));
  }
  Parameters p = current();
  for (auto& [name, value] : p) value = value.detach();
  EstimationReport r;
  const Scores s = draw(o, 2000, gen, true);
  const Tensor sum = s.cubes.sum(-1, true);
  const Tensor with_t = s.cubes * reciprocal(p, "", sum).value, with_exact = s.cubes / sum;
  r.mse_true_softmax = (with_t - s.softmax).square().mean().item<double>();
  r.mse_exact_reciprocal = (with_exact - s.softmax).square().mean().item<double>();
  r.mse_reciprocal_part = (with_t - with_exact).square().mean().item<double>();
  r.worst_relative = (reciprocal(p, "", grid).value * grid - 1).abs().max().item<double>();
  const ReciprocalTrace w = reciprocal(p, "", wide);
  r.max_pre = std::max(w.pre1.abs().max().item<double>(), w.pre2.abs().max().item<double>());
  return {p, r};
}

}  // namespace thex::convert
