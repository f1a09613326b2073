#include "thex/convert/calibrate.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/convert/workers.h"

namespace thex::convert {

using torch::Tensor;

namespace {

// Collects what a Magnitude says. Percentiles come from a histogram of log2 |value|.
class Meter {
 public:
  // The entries of `value` at which `real` (of a shape that expands to it) is not zero.
  void add(const Tensor& value, const Tensor& real) {
    if (!value.defined()) return;
    const Tensor kept = value.masked_select(real.gt(0).expand(value.sizes())).abs();
    if (kept.numel() == 0) return;
    count_ += static_cast<double>(kept.numel());
    squares_ += kept.square().sum(torch::kFloat64).item<double>();
    max_ = std::max(max_, kept.max().item<double>());
    const Tensor bins = at::histc(kept.clamp_min(std::exp2(kLow)).log2().clamp_(kLow, kHigh), kBins, kLow, kHigh);
    histogram_ = histogram_.defined() ? histogram_ + bins.to(torch::kFloat64) : bins.to(torch::kFloat64);
  }
  Magnitude result() const {
    Magnitude m;
    if (count_ == 0) return m;
    m.rms = std::min(std::sqrt(squares_ / count_), max_);
    m.max = max_;
    m.p50 = percentile(0.5), m.p99 = percentile(0.99), m.p999 = percentile(0.999);
    return m;
  }

 private:
  static constexpr double kLow = -20, kHigh = 20;
  static constexpr int kBins = 800;

  double percentile(double share) const {
    const Tensor bins = histogram_.to(torch::kCPU).contiguous();
    double below = 0;
    for (int i = 0; i < kBins; ++i) {
      below += bins.data_ptr<double>()[i];
      if (below >= share * count_) return std::min(max_, std::exp2(kLow + (kHigh - kLow) * (i + 1) / kBins));
    }
    return max_;
  }

  double count_ = 0, squares_ = 0, max_ = 0;
  Tensor histogram_;
};

// One point of a layer: its names, what training leaves there, and which of its entries are real.
struct Point {
  enum class Entries { pairs, queries, rows };  // of queries and keys; of queries, by head; of tokens
  const char* estimation;                       // the name where the softmax is estimated or exact; null: not there
  const char* power;                            // the name where it is a power
  Magnitude LayerMagnitudes::*magnitude;
  Entries entries;
  const Tensor& (*trace)(const LayerTrace&);
  bool nonlinear;  // the input of a nonlinearity
};

using E = Point::Entries;
using M = LayerMagnitudes;
using T = LayerTrace;
constexpr Point kPoints[] = {
    {"score", "score", &M::score, E::pairs, [](const T& t) -> const Tensor& { return t.u; }, true},
    {"cube", "square", &M::cube, E::pairs, [](const T& t) -> const Tensor& { return t.cubes; }, false},
    {"cube_sum", "mean_square", &M::cube_sum, E::queries, [](const T& t) -> const Tensor& { return t.sum; }, false},
    {"t1", nullptr, &M::t1, E::queries, [](const T& t) -> const Tensor& { return t.t1; }, true},
    {"t2", nullptr, &M::t2, E::queries, [](const T& t) -> const Tensor& { return t.t2; }, true},
    {"context", "context", &M::context, E::rows, [](const T& t) -> const Tensor& { return t.context; }, false},
    {"attention_sum", "attention_sum", &M::attention_sum, E::rows,
     [](const T& t) -> const Tensor& { return t.norm_in[0]; }, false},
    {"attention_norm", "attention_norm", &M::attention_norm, E::rows,
     [](const T& t) -> const Tensor& { return t.norm_out[0]; }, false},
    {"ffn", "ffn", &M::ffn, E::rows, [](const T& t) -> const Tensor& { return t.ffn; }, true},
    {"output_sum", "output_sum", &M::output_sum, E::rows, [](const T& t) -> const Tensor& { return t.norm_in[1]; },
     false},
    {"output_norm", "output_norm", &M::output_norm, E::rows, [](const T& t) -> const Tensor& { return t.norm_out[1]; },
     false},
};

// One layer has a meter for each of kPoints.
struct LayerMeters {
  Meter meters[std::size(kPoints)];

  void add(const LayerTrace& trace, const Tensor& mask) {
    const Tensor rows = mask.slice(1, 0, trace.ffn.size(1)).unsqueeze(-1);  // [B, Lq, 1]
    const Tensor queries = rows.unsqueeze(1);                               // [B, 1, Lq, 1]
    const Tensor pairs = queries * mask.unsqueeze(1).unsqueeze(1);          // [B, 1, Lq, L]
    for (std::size_t i = 0; i < std::size(kPoints); ++i) {
      const Point& point = kPoints[i];
      meters[i].add(point.trace(trace), point.entries == E::pairs     ? pairs
                                        : point.entries == E::queries ? queries
                                                                      : rows);
    }
  }

  LayerMagnitudes result() const {
    LayerMagnitudes magnitudes;
    for (std::size_t i = 0; i < std::size(kPoints); ++i) magnitudes.*kPoints[i].magnitude = meters[i].result();
    return magnitudes;
  }
};

// The ranges of the model: for each value the largest over all layers.
Ranges ranges_of(std::vector<LayerMagnitudes> layers) {
  Ranges r;
  const auto grow = [](double& into, const Magnitude& from) { into = std::max(into, from.max); };
  for (const LayerMagnitudes& m : layers) {
    grow(r.u, m.score), grow(r.t1, m.t1), grow(r.t2, m.t2), grow(r.ffn, m.ffn), grow(r.cube, m.cube);
    grow(r.sum, m.cube_sum), grow(r.context, m.context);
    for (const Magnitude& hidden : {m.attention_sum, m.attention_norm, m.output_sum, m.output_norm})
      grow(r.hidden, hidden);
  }
  r.layers = std::move(layers);
  return r;
}

}  // namespace

double Ranges::max_relu_input() const { return std::max({u, t1, t2, ffn}); }

std::vector<model::LayerRanges> Ranges::layer_ranges() const {
  const auto range = [](const Magnitude& m) { return model::Range{m.rms, m.max}; };
  std::vector<model::LayerRanges> out;
  for (const LayerMagnitudes& l : layers)
    out.push_back({range(l.score), range(l.cube), range(l.cube_sum), range(l.context), range(l.attention_sum),
                   range(l.attention_norm), range(l.ffn), range(l.output_norm)});
  return out;
}

std::vector<std::pair<std::string, Magnitude>> named(const LayerMagnitudes& layer, model::Softmax softmax) {
  std::vector<std::pair<std::string, Magnitude>> out;
  for (const Point& point : kPoints)
    if (const char* const name = softmax == model::Softmax::power ? point.power : point.estimation)
      out.emplace_back(name, layer.*point.magnitude);
  return out;
}

Excess largest_excess(const Ranges& calibrated, const Ranges& other) {
  Excess largest;
  const auto compare = [&](double before, double after, const std::string& where) {
    if (before > 0 && !(after / before <= largest.ratio)) largest = {after / before, where};
  };
  for (std::size_t l = 0; l < calibrated.layers.size(); ++l)
    for (const Point& point : kPoints)
      if (point.nonlinear)
        compare((calibrated.layers[l].*point.magnitude).max, (other.layers.at(l).*point.magnitude).max,
                "layer " + std::to_string(l) + ", " + point.estimation);
  compare(calibrated.logit, other.logit, "logits");
  return largest;
}

Ranges measure_ranges(const EncoderModule& module, const DataSet& data, const Log& log) {
  at::NoGradGuard no_grad;
  const ForwardOptions options;  // of the last layer what the outputs depend on
  std::vector<LayerMeters> meters(static_cast<std::size_t>(module.config.layers));
  double min_sum = 1e30, logit = 0;
  const auto add = [&](const Batch& batch, const Output& out) {
    for (std::size_t l = 0; l < meters.size(); ++l) {
      const LayerTrace& t = out.layers[l];
      meters[l].add(t, batch.mask);
      const Tensor query = batch.mask.slice(1, 0, t.ffn.size(1)).unsqueeze(-1).unsqueeze(1);
      if (t.sum.defined()) min_sum = std::min(min_sum, (t.sum + (1 - query) * 1e30).min().item<double>());
    }
    Tensor logits = out.logits;
    if (by_token(module.config.task))  // those of every token are encrypted
      logits = at::linear(out.layers.back().norm_out[1], module.params.at("classifier.weight"),
                          module.params.at("classifier.bias")) *
               batch.mask.unsqueeze(-1);
    if (logits.numel() > 0) logit = std::max(logit, logits.abs().max().item<double>());
  };
  const auto batches = sorted_batches(data, 32);
  const std::size_t at_once = workers(module.device);
  Time told = Clock::now();
  for (std::size_t begin = 0; begin < batches.size(); begin += at_once) {
    const std::size_t count = std::min(at_once, batches.size() - begin);
    std::vector<Batch> parts(count);
    std::vector<Output> outs(count);
    in_parallel(count, module.device, [&](std::size_t i) {
      parts[i] = collate(data, batches[begin + i], module.device);
      outs[i] = module.forward(parts[i], options);
    });
    for (std::size_t i = 0; i < count; ++i) add(parts[i], outs[i]);  // in one order
    if (!log || seconds_since(told) < 10) continue;
    log("sizes of values: batch " + std::to_string(begin + count) + " of " + std::to_string(batches.size()));
    told = Clock::now();
  }
  std::vector<LayerMagnitudes> layers;
  for (const LayerMeters& meter : meters) layers.push_back(meter.result());
  Ranges ranges = ranges_of(std::move(layers));
  ranges.min_sum = min_sum;
  ranges.logit = logit;
  return ranges;
}

DataSet join_to_length(const DataSet& data, std::size_t count, std::size_t max_length, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  DataSet out;
  if (data.empty()) return out;
  for (std::size_t i = 0; i < count; ++i) {
    Sentence s = data[rng() % data.size()];
    join(s, data, max_length, rng);
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

void fit_head(EncoderModule& module, const EncoderModule& wanted, const DataSet& data) {
  if (data.empty()) throw Error(ErrorCode::input, "no examples to fit the head on");
  at::NoGradGuard no_grad;
  const auto options = module.params.at("classifier.weight").options().dtype(torch::kFloat64);
  const std::int64_t features = module.config.hidden + 1;  // and a one for the bias
  const auto batches = sorted_batches(data, 64);
  std::vector<Tensor> squares(batches.size()), products(batches.size());
  in_parallel(batches.size(), module.device, [&](std::size_t i) {
    const Batch batch = collate(data, batches[i], module.device);
    const Tensor states = module.forward(batch, {}).layers.back().norm_out[1];
    const Tensor read = by_token(module.config.task)
                            ? states.reshape({-1, module.config.hidden}).index_select(0, batch.first)
                            : states.select(1, 0);
    const Tensor logits = wanted.forward(batch, {}).logits;
    const Tensor kept = usual_rows(read);
    const Tensor rows = read.index_select(0, kept).to(torch::kFloat64);
    const Tensor x = at::cat({rows, at::ones({rows.size(0), 1}, options)}, 1);
    squares[i] = at::matmul(x.t(), x);
    products[i] = at::matmul(x.t(), logits.index_select(0, kept).to(torch::kFloat64));
  });
  const Tensor square = at::stack(squares).sum(0), product = at::stack(products).sum(0);
  Tensor ridge = at::full({features}, 1e-4 * square.diagonal().mean().item<double>(), options);
  ridge[features - 1] = 0;
  const Tensor fit = at::linalg_solve(square + at::diag(ridge), product);
  module.params["classifier.weight"] = fit.slice(0, 0, features - 1).t().contiguous().to(torch::kFloat32);
  module.params["classifier.bias"] = fit[features - 1].contiguous().to(torch::kFloat32);
}

void drop_pooler(EncoderModule& module, const DataSet& data) {
  if (!module.config.pooler) throw Error(ErrorCode::usage, "the model has no pooler");
  fit_head(module, module.clone(), data);
  module.remove_pooler();
}

}  // namespace thex::convert
