#include "thex/convert/polynomial_start.h"

#include <cmath>
#include <vector>

#include "thex/base/error.h"

namespace thex::convert {
namespace {

using torch::Tensor;

// A parabola flatter than this would need a huge shift to be nearly a line.
constexpr double kLeastCurvature = 0.02;
// Factors of the scores that are tried.
constexpr double kTempers[] = {0.5, 0.7, 1.0, 1.4, 2.0, 2.8};

Tensor single(const Tensor& t) { return t.to(torch::kFloat32).contiguous(); }

void add(Tensor& into, const Tensor& value) { into = into.defined() ? into + value : value; }

// Per unit: sums of u^k and of activation * u^k.
struct UnitMoments {
  Tensor u[5], a[3];

  // Rows [R, F].
  void add_rows(const Tensor& pre_activations, const Tensor& activations) {
    const Tensor x = pre_activations.to(torch::kFloat64), y = activations.to(torch::kFloat64);
    Tensor power = at::ones_like(x);
    for (int k = 0; k < 5; ++k, power = power * x) {
      add(u[k], power.sum(0));
      if (k < 3) add(a[k], (power * y).sum(0));
    }
  }
};

// The least-squares solution of each unit, [F, k]; matrix entries and right sides are [F] each.
Tensor solve(const std::vector<std::vector<Tensor>>& matrix, const std::vector<Tensor>& right) {
  std::vector<Tensor> rows;
  for (const auto& row : matrix) rows.push_back(at::stack(row, -1));
  const Tensor square = at::stack(rows, -2);
  const Tensor ridge = at::diag_embed(square.diagonal(0, -2, -1) * 1e-6 + 1e-9);
  return at::linalg_solve(square + ridge, at::stack(right, -1).unsqueeze(-1)).squeeze(-1);
}

// Parabolas c0 + c1 u + c2 u^2, [F, 3], none flatter than kLeastCurvature.
Tensor fit_parabolas(const UnitMoments& m) {
  const Tensor free =
      solve({{m.u[0], m.u[1], m.u[2]}, {m.u[1], m.u[2], m.u[3]}, {m.u[2], m.u[3], m.u[4]}}, {m.a[0], m.a[1], m.a[2]});
  const Tensor c2 = free.select(1, 2);
  const Tensor bounded = at::where(c2.lt(0), c2.clamp_max(-kLeastCurvature), c2.clamp_min(kLeastCurvature));
  const Tensor line =
      solve({{m.u[0], m.u[1]}, {m.u[1], m.u[2]}}, {m.a[0] - bounded * m.u[2], m.a[1] - bounded * m.u[3]});
  return at::cat({line, bounded.unsqueeze(1)}, 1);
}

// Every head's keys have mean zero over the real tokens of `data`; the exact softmax stays what it was.
void centre_keys(EncoderModule& module, const DataSet& data) {
  std::vector<Tensor> sums(static_cast<std::size_t>(module.config.layers));
  double tokens = 0;
  for (const auto& indices : sorted_batches(data, 64)) {
    const Batch batch = collate(data, indices, module.device);
    const Output out = module.forward(batch, {});
    const Tensor rows = batch.mask.unsqueeze(1).unsqueeze(-1);
    tokens += rows.sum().item<double>();
    for (std::size_t l = 0; l < sums.size(); ++l)
      add(sums[l], (out.layers[l].key * rows).sum(2).sum(0).to(torch::kFloat64).reshape({-1}));
  }
  for (std::size_t l = 0; l < sums.size(); ++l) {
    Tensor& bias = module.params.at(layer_prefix(static_cast<int>(l)) + "attention.self.key.bias");
    bias = (bias - sums[l] / tokens).to(torch::kFloat32).contiguous();
  }
}

}  // namespace

Tensor parabolas_near(const Tensor& u, const Tensor& a) {
  UnitMoments moments;
  moments.add_rows(u, a);
  return fit_parabolas(moments);
}

void square_units(EncoderModule& module, int layer, const Tensor& parabolas) {
  const Tensor shift = parabolas.select(1, 1) / (2 * parabolas.select(1, 2)),
               root = parabolas.select(1, 2).abs().sqrt();
  const std::string first = layer_prefix(layer) + "intermediate.dense.";
  Tensor &w1 = module.params.at(first + "weight"), &b1 = module.params.at(first + "bias");
  b1 = single((b1 + shift) * root);
  w1 = single(w1 * root.unsqueeze(1));
}

void start_square_activation(EncoderModule& module, const DataSet& data) {
  if (data.empty()) throw Error(ErrorCode::input, "no examples to fit the activation on");
  at::NoGradGuard no_grad;
  std::vector<UnitMoments> moments(static_cast<std::size_t>(module.config.layers));
  for (const auto& indices : sorted_batches(data, 64)) {
    const Batch batch = collate(data, indices, module.device);
    const Output out = module.forward(batch, {});
    for (std::size_t l = 0; l < moments.size(); ++l) {
      const Tensor u = real_rows(batch, out.layers[l].ffn);
      moments[l].add_rows(u, activate(module.config.activation, u.to(torch::kFloat64)));
    }
  }
  for (int l = 0; l < module.config.layers; ++l) {
    const Tensor c = fit_parabolas(moments[static_cast<std::size_t>(l)]);
    const Tensor c0 = c.select(1, 0), c1 = c.select(1, 1), c2 = c.select(1, 2);
    const std::string second = layer_prefix(l) + "output.dense.";
    Tensor &w2 = module.params.at(second + "weight"), &b2 = module.params.at(second + "bias");
    b2 = single(b2 + at::mv(w2.to(torch::kFloat64), c0 - c1.square() / (4 * c2)));
    w2 = single(w2 * c2.sign());
    square_units(module, l, c);
  }
  module.config.activation = model::Activation::square;
}

void start_power_softmax(EncoderModule& module, const DataSet& data) {
  if (module.softmax != model::Softmax::exact) throw Error(ErrorCode::usage, "the softmax is replaced already");
  if (data.empty()) throw Error(ErrorCode::input, "no examples to fit the softmax on");
  at::NoGradGuard no_grad;
  centre_keys(module, data);
  constexpr std::size_t tempers = std::size(kTempers);
  const auto layers = static_cast<std::size_t>(module.config.layers);
  // Per layer and factor: sums of <P V, P V> and <P V, exact P V>, [heads] each.
  std::vector<std::vector<Tensor>> square(layers, std::vector<Tensor>(tempers)), product = square;
  for (const auto& indices : sorted_batches(data, 64)) {
    const Batch batch = collate(data, indices, module.device);
    const Output out = module.forward(batch, {});
    const Tensor keys = batch.mask.unsqueeze(1).unsqueeze(1);
    for (std::size_t l = 0; l < layers; ++l) {
      const LayerTrace& t = out.layers[l];
      const Tensor scores = (t.u - 1) * 2;
      const Tensor exact = at::matmul(t.probabilities, t.value);
      const Tensor rows = batch.mask.slice(1, 0, exact.size(2)).unsqueeze(1).unsqueeze(-1);
      const auto total = [&](const Tensor& v) { return (v * rows).sum({0, 2, 3}).to(torch::kFloat64); };
      for (std::size_t i = 0; i < tempers; ++i) {
        const Tensor p = (scores * (kTempers[i] / 2) + 1).square() * (keys / keys.sum(-1, true));
        const Tensor context = at::matmul(p, t.value);
        add(square[l][i], total(context * context));
        add(product[l][i], total(context * exact));
      }
    }
  }
  const std::int64_t heads = module.config.heads, d = module.config.head_dim();
  for (std::size_t l = 0; l < layers; ++l) {
    // The residual is |exact|^2 - product^2 / square: the largest quotient wins.
    const Tensor squares = at::stack(square[l]), products = at::stack(product[l]);  // [factors, heads]
    const Tensor best = (products.square() / squares.clamp_min(1e-30)).argmax(0);
    const Tensor temper = at::tensor(std::vector<double>(std::begin(kTempers), std::end(kTempers)), torch::kFloat64)
                              .to(module.device)
                              .index_select(0, best);
    const Tensor gain = (products / squares.clamp_min(1e-30)).gather(0, best.unsqueeze(0)).squeeze(0);
    const auto scale = [&](const char* name, const Tensor& factor) {
      const Tensor columns = factor.unsqueeze(1).expand({heads, d}).reshape({-1}).to(torch::kFloat32);
      const std::string p = layer_prefix(static_cast<int>(l)) + "attention.self." + name;
      Tensor &weight = module.params.at(p + ".weight"), &bias = module.params.at(p + ".bias");
      weight = (weight * columns.unsqueeze(1)).contiguous();
      bias = (bias * columns).contiguous();
    };
    scale("query", temper);
    scale("value", gain);
  }
  module.softmax = model::Softmax::power;
}

}  // namespace thex::convert
