#include "thex/approx/calibrate.h"

#include <algorithm>
#include <random>

#include "thex/base/error.h"

namespace thex::approx {

using torch::Tensor;

double Ranges::max_relu_input() const { return std::max({u, t1, t2, ffn}); }

Ranges measure_ranges(const EncoderModule& module, const DataSet& data) {
  at::NoGradGuard no_grad;
  Ranges r;
  r.min_sum = 1e30;
  ForwardOptions options;
  options.cls_only_last = false;
  for (const auto& indices : sorted_batches(data, 32)) {
    const Batch batch = collate(data, indices, module.device);
    const Output out = module.forward(batch, options);
    const Tensor rows = batch.mask.unsqueeze(-1);                      // [B, L, 1]
    const Tensor query = batch.mask.unsqueeze(1).unsqueeze(-1);        // [B, 1, L, 1]
    const Tensor pair = query * batch.mask.unsqueeze(1).unsqueeze(1);  // [B, 1, L, L]
    auto grow = [](double& into, const Tensor& value, const Tensor& mask) {
      if (value.defined()) into = std::max(into, (value * mask).abs().max().item<double>());
    };
    for (const LayerTrace& t : out.layers) {
      grow(r.u, t.u, pair);
      grow(r.t1, t.t1, query);
      grow(r.t2, t.t2, query);
      grow(r.ffn, t.ffn, rows);
      grow(r.cube, t.cubes, pair);
      grow(r.sum, t.sum, query);
      grow(r.context, t.context, rows);
      for (int i = 0; i < 2; ++i) {
        grow(r.hidden, t.norm_in[i], rows);
        grow(r.hidden, t.norm_out[i], rows);
      }
      if (t.sum.defined()) r.min_sum = std::min(r.min_sum, (t.sum + (1 - query) * 1e30).min().item<double>());
    }
    r.logit = std::max(r.logit, out.logits.abs().max().item<double>());
  }
  return r;
}

DataSet join_to_length(const DataSet& data, std::size_t count, std::size_t max_length, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  DataSet out;
  if (data.empty()) return out;
  for (std::size_t i = 0; i < count; ++i) {
    Sentence s = data[rng() % data.size()];
    for (int tries = 0; s.ids.size() < max_length && tries < 200; ++tries) {
      const Sentence& more = data[rng() % data.size()];
      const std::size_t inner = more.ids.size() - 2;
      const std::size_t room = std::min(inner, max_length - s.ids.size());
      s.ids.insert(s.ids.end() - 1, more.ids.begin() + 1, more.ids.begin() + 1 + static_cast<std::ptrdiff_t>(room));
      s.types.resize(s.ids.size(), s.types.back());
      s.tags.clear();
      s.text += " " + more.text;
    }
    out.push_back(std::move(s));
  }
  return out;
}

std::vector<double> sum_quantiles(const EncoderModule& module, const DataSet& data, const std::vector<double>& q) {
  at::NoGradGuard no_grad;
  std::vector<float> sums;
  for (const auto& indices : sorted_batches(data, 64)) {
    const Batch batch = collate(data, indices, module.device);
    const Output out = module.forward(batch, {});
    for (const LayerTrace& t : out.layers) {
      const Tensor u = at::relu(t.u);
      const Tensor sum = (u * u * u * batch.mask.unsqueeze(1).unsqueeze(1)).sum(-1);  // [B, heads, Lq]
      const Tensor real = batch.mask.slice(1, 0, sum.size(2)).unsqueeze(1).expand(sum.sizes()).gt(0);
      const Tensor kept = sum.masked_select(real).to(torch::kCPU).contiguous();
      sums.insert(sums.end(), kept.data_ptr<float>(), kept.data_ptr<float>() + kept.numel());
    }
  }
  if (sums.empty()) throw Error(ErrorCode::input, "no examples to calibrate on");
  std::sort(sums.begin(), sums.end());
  std::vector<double> out;
  for (double level : q) out.push_back(sums[static_cast<std::size_t>(level * static_cast<double>(sums.size() - 1))]);
  return out;
}

void fit_affine_norms(EncoderModule& module, const DataSet& data, const std::vector<int>& norms) {
  at::NoGradGuard no_grad;
  for (int i : norms)
    if (module.norms.at(static_cast<std::size_t>(i)) != NormMode::exact)
      throw Error(ErrorCode::usage, "norm " + std::to_string(i) + " is no exact LayerNorm");
  struct Sums {
    Tensor n, x, y, xx, xy;
  };
  std::vector<Sums> sums(norms.size());
  for (const auto& indices : sorted_batches(data, 64)) {
    const Batch batch = collate(data, indices, module.device);
    const Output out = module.forward(batch, {});
    for (std::size_t k = 0; k < norms.size(); ++k) {
      const LayerTrace& t = out.layers[static_cast<std::size_t>(norms[k] / 2)];
      const Tensor x = t.norm_in[norms[k] % 2].to(torch::kFloat64), y = t.norm_out[norms[k] % 2].to(torch::kFloat64);
      const Tensor m = batch.mask.slice(1, 0, x.size(1)).unsqueeze(-1).to(torch::kFloat64);
      auto add = [&](Tensor& into, const Tensor& v) {
        const Tensor total = (v * m).sum(0).sum(0);
        into = into.defined() ? into + total : total;
      };
      add(sums[k].n, at::ones_like(x));
      add(sums[k].x, x);
      add(sums[k].y, y);
      add(sums[k].xx, x * x);
      add(sums[k].xy, x * y);
    }
  }
  for (std::size_t k = 0; k < norms.size(); ++k) {
    const Sums& s = sums[k];
    if (!s.n.defined()) throw Error(ErrorCode::input, "no examples to fit the affine norms on");
    const Tensor mx = s.x / s.n, my = s.y / s.n;
    const Tensor gamma = (s.xy / s.n - mx * my) / (s.xx / s.n - mx * mx + 1e-6);
    const std::string name = norm_prefix(norms[k]) + "AffineNorm.";
    module.params[name + "weight"] = gamma.to(torch::kFloat32);
    module.params[name + "bias"] = (my - gamma * mx).to(torch::kFloat32);
  }
}

}  // namespace thex::approx
