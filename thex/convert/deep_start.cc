#include "thex/convert/deep_start.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "thex/base/error.h"
#include "thex/convert/polynomial_start.h"
#include "thex/convert/workers.h"

namespace thex::convert {
namespace {

using torch::Tensor;

constexpr std::size_t kPairs = 30000;  // of queries and keys that a head's fit looks at
constexpr int kIterations = 6;
constexpr std::int64_t kUnits = 128;
// A head's constant nearer to zero would need a huge scale to become one.
constexpr double kLeastConstant = 0.3;

// Some sentences with the states of both models at the layer that is fitted. Rows are those of real tokens.
struct Part {
  Batch batch;
  std::vector<Tensor> plain;  // per sublayer, from the embeddings on: [R, H]
  Tensor student;             // [B, L, H]
};

Tensor all_rows(const std::vector<Part>& parts, const std::function<Tensor(const Part&)>& of) {
  std::vector<Tensor> list;
  for (const Part& part : parts) list.push_back(of(part));
  return at::cat(list);
}

// Sum of squared differences relative to the target's variance.
double relative_error(const Tensor& value, const Tensor& target) {
  return ((value - target).square().sum() / (target - target.mean(0)).square().sum()).item<double>();
}

// a^T b, rows in as many parts as threads.
Tensor product(const Tensor& a, const Tensor& b) {
  const std::size_t parts = workers(a.device());
  std::vector<Tensor> sums(parts);
  in_parallel(parts, a.device(), [&](std::size_t i) {
    const auto row = [&](std::size_t part) {
      return a.size(0) * static_cast<std::int64_t>(part) / static_cast<std::int64_t>(parts);
    };
    sums[i] = at::matmul(a.slice(0, row(i), row(i + 1)).t(), b.slice(0, row(i), row(i + 1)));
  });
  for (std::size_t i = 1; i < parts; ++i) sums[0] += sums[i];
  return sums[0];
}

// y_f near r_f x_f + a B_f + c_f: the factors r, the matrix [outputs, inputs] and the constants.
struct Regression {
  Tensor factors, matrix, constants;
  Tensor of(const Tensor& a, const Tensor& x) const { return x * factors + at::linear(a, matrix, constants); }
};

// `factors`: given, or found too.
Regression regress(const Tensor& a, const Tensor& x, const Tensor& y, double ridge, Tensor factors = {}) {
  const Tensor am = a.mean(0), xm = x.mean(0), ym = y.mean(0);
  const Tensor ac = a - am, xc = x - xm, yc = y - ym;
  Tensor gram = product(ac, ac).to(torch::kFloat64);
  gram = gram + at::diag(at::full({gram.size(0)}, ridge * gram.diagonal().mean().item<double>(), gram.options()));
  const Tensor root = at::linalg_cholesky(gram);
  const auto solved = [&](const Tensor& right) {
    return at::cholesky_solve(product(ac, right).to(torch::kFloat64), root).to(torch::kFloat32);
  };
  const Tensor of_x = solved(xc), of_y = solved(yc);
  if (!factors.defined()) {
    const Tensor rest = xc - at::matmul(ac, of_x);
    factors = (rest * yc).sum(0) / rest.square().sum(0).clamp_min(1e-12);
    factors = factors.clamp_min(0.2 * factors.median().item<double>());
  }
  const Tensor b = of_y - of_x * factors;
  return {factors, b.t().contiguous(), ym - factors * xm - at::matmul(am, b)};
}

// Of one head: n P near (scale s + query q + key k + constant)^2.
struct ScoreFit {
  double scale = 0, constant = 0;
  Tensor query, key;  // [d]
};

// Columns [s, q, k, 1] and what they are to give, with weights.
struct ScoreSample {
  Tensor features, target, weight;
};

ScoreFit fit_scores(const ScoreSample& sample, std::int64_t d) {
  const Tensor spread = sample.features.std(0).clamp_min(1e-6);
  spread[2 * d + 1] = 1;
  const Tensor x = sample.features / spread, w = (sample.weight / sample.weight.mean()).unsqueeze(1), y = sample.target;
  const double n = static_cast<double>(x.size(0));
  const Tensor one = at::eye(x.size(1), x.options());
  const auto loss = [&](const Tensor& theta) {
    return (w.squeeze(1) * (y - at::mv(x, theta).square()).square()).sum().item<double>();
  };
  Tensor theta = at::linalg_solve(at::matmul((x * w).t(), x) + one * (1e-3 * n), at::matmul((x * w).t(), y.sqrt()));
  double best = loss(theta), damping = 0.01;
  for (int i = 0; i < kIterations; ++i) {
    const Tensor f = at::mv(x, theta), slope = x * (2 * f).unsqueeze(1);
    const Tensor square = at::matmul((slope * w).t(), slope);
    const Tensor step = at::linalg_solve(square + one * (1e-3 * n) + at::diag(square.diagonal()) * damping,
                                         at::matmul((slope * w).t(), y - f.square()) - theta * (1e-3 * n));
    const double next = loss(theta + step);
    damping *= next < best ? 0.3 : 10;
    if (!(next < best)) continue;  // not finite either
    best = next;
    theta = theta + step;
  }
  theta = theta / spread;
  return {theta[0].item<double>(), theta[2 * d + 1].item<double>(), theta.slice(0, 1, 1 + d),
          theta.slice(0, 1 + d, 1 + 2 * d)};
}

class DeepStart {
 public:
  DeepStart(EncoderModule& module, const DataSet& data, const DeepStartOptions& options,
            const std::function<void(const std::string&)>& log)
      : m_(module), o_(options), log_(log) {
    collect(data);
    m_.softmax = model::Softmax::power;
  }

  void run() {
    for (int layer = 0; layer < m_.config.layers; ++layer) {
      start_scores(layer);
      log_("polynomials: layer " + std::to_string(layer + 1) + ", scores fitted");
      const double attention = start_attention(layer), output = start_feed_forward(layer);
      char line[160];
      std::snprintf(
          line, sizeof line,
          "polynomials: layer %d of %d, squared error %.3f of the variance after attention, %.3f after the FFN",
          layer + 1, m_.config.layers, attention, output);
      log_(line);
      if (!std::isfinite(output))
        throw Error(ErrorCode::usage, "the polynomial start of layer " + std::to_string(layer) +
                                          " is not finite: are the model's weights?");
    }
    m_.config.activation = model::Activation::square;
  }

 private:
  Tensor& param(int layer, const std::string& name) { return m_.params.at(layer_prefix(layer) + name); }
  Tensor dense(int layer, const std::string& name, const Tensor& x) {
    return at::linear(x, param(layer, name + ".weight"), param(layer, name + ".bias"));
  }

  void collect(const DataSet& data) {
    if (data.empty()) throw Error(ErrorCode::input, "no examples to start the polynomials from");
    const double mean = std::max(1.0, mean_length(data));
    const DataSet some =
        evenly_spaced(data, std::max<std::size_t>(8, static_cast<std::size_t>(static_cast<double>(o_.tokens) / mean)));
    log_("polynomials: the plain model's states of " + std::to_string(some.size()) + " texts");
    const auto layers = static_cast<std::size_t>(m_.config.layers);
    double pairs = 0;
    for (const Sentence& s : some) pairs += static_cast<double>(s.ids.size()) * static_cast<double>(s.ids.size());
    const auto batches = sorted_batches(some, 32);
    parts_.resize(batches.size());
    samples_.assign(layers * static_cast<std::size_t>(m_.config.heads), std::vector<ScoreSample>(batches.size()));
    in_parallel(batches.size(), m_.device, [&](std::size_t i) {
      Part& part = parts_[i];
      part.batch = collate(some, batches[i], m_.device);
      const Output out = m_.forward(part.batch, every_row());
      part.student = out.embedded;
      part.plain.push_back(real_rows(part.batch, out.embedded));
      for (const LayerTrace& t : out.layers)
        for (const Tensor& state : t.norm_out) part.plain.push_back(real_rows(part.batch, state));
      sample_scores(i, out, static_cast<double>(kPairs) / pairs);
    });
  }

  // Some of the pairs of real tokens of a batch, the same for all heads.
  void sample_scores(std::size_t part, const Output& out, double share) {
    auto generator = at::detail::createCPUGenerator(o_.seed * 1000003 + part);
    const Tensor& mask = parts_[part].batch.mask;
    const std::int64_t length = mask.size(1), d = m_.config.head_dim();
    const Tensor real = (mask.unsqueeze(2) * mask.unsqueeze(1)).reshape({-1});
    const Tensor drawn = at::rand(real.sizes(), generator, torch::kFloat32).to(m_.device).lt(share) * real.gt(0);
    const Tensor pairs = drawn.nonzero().squeeze(1);
    const Tensor query_rows = at::div(pairs, length, "floor");
    const Tensor example = at::div(query_rows, length, "floor");
    const Tensor key_rows = example * length + at::remainder(pairs, length);
    const Tensor n = mask.sum(1).index_select(0, example);
    for (std::size_t l = 0; l < out.layers.size(); ++l) {
      const LayerTrace& t = out.layers[l];
      for (std::int64_t h = 0; h < m_.config.heads; ++h) {
        const auto rows_of = [&](const Tensor& of_heads, const Tensor& rows) {
          return of_heads.select(1, h).reshape({-1, d}).index_select(0, rows);
        };
        const Tensor s = (t.u.select(1, h).reshape({-1}).index_select(0, pairs) - 1) * 2;
        const Tensor p = t.probabilities.select(1, h).reshape({-1}).index_select(0, pairs);
        const Tensor value = rows_of(t.value, key_rows).square().mean(1);
        samples_[l * static_cast<std::size_t>(m_.config.heads) + static_cast<std::size_t>(h)][part] = {
            at::cat({s.unsqueeze(1), rows_of(t.query, query_rows), rows_of(t.key, key_rows),
                     at::ones({s.size(0), 1}, s.options())},
                    1),
            p * n, value / (n * n)};
      }
    }
  }

  // Queries, keys and values whose power of scores, (s/2 + 1)^2 / n, is near the softmax.
  void start_scores(int layer) {
    const std::int64_t d = m_.config.head_dim();
    const double root = std::sqrt(static_cast<double>(d));
    std::vector<ScoreFit> fits(static_cast<std::size_t>(m_.config.heads));
    in_parallel(fits.size(), m_.device, [&](std::size_t h) {
      auto& list = samples_[static_cast<std::size_t>(layer * m_.config.heads) + h];
      std::vector<Tensor> features, target, weight;
      for (const ScoreSample& s : list)
        features.push_back(s.features), target.push_back(s.target), weight.push_back(s.weight);
      fits[h] = fit_scores({at::cat(features), at::cat(target), at::cat(weight)}, d);
      list.clear();
    });
    for (std::int64_t h = 0; h < m_.config.heads; ++h) {
      ScoreFit fit = fits[static_cast<std::size_t>(h)];
      if (std::abs(fit.scale) < 1e-3) fit.scale = fit.scale < 0 ? -1e-3 : 1e-3;
      // scale (q + a) (k + c) / sqrt(d) has the terms in q and k alone.
      const Tensor a = fit.key * (root / fit.scale), c = fit.query * (root / fit.scale);
      const double constant = fit.constant - fit.scale / root * at::dot(a, c).item<double>();
      const double whole = std::copysign(std::max(std::abs(constant), kLeastConstant), constant);
      const double size = std::sqrt(std::abs(2 * fit.scale / whole)), sign = fit.scale / whole < 0 ? -1 : 1;
      const auto change = [&](const char* name, const Tensor& shift, double factor) {
        for (const char* kind : {".weight", ".bias"}) {
          Tensor part = param(layer, std::string("attention.self.") + name + kind).slice(0, h * d, (h + 1) * d);
          part.copy_((kind[1] == 'b' && shift.defined() ? part + shift : part) * factor);
        }
      };
      change("query", a, size);
      change("key", c, size * sign);
      change("value", {}, whole * whole);
    }
  }

  // Returns the relative error of the states after the norm.
  double start_attention(int layer) {
    const std::size_t state = 2 * static_cast<std::size_t>(layer);
    const std::string norm = norm_prefix(2 * layer);
    const Tensor x = all_rows(parts_, [&](const Part& p) { return real_rows(p.batch, p.student); });
    std::vector<Tensor> contexts(parts_.size());  // of each part, [B, L, H]
    in_parallel(parts_.size(), m_.device, [&](std::size_t i) {
      LayerTrace trace;
      m_.attention(layer_prefix(layer), parts_[i].student, parts_[i].student, parts_[i].batch.mask, trace);
      contexts[i] = trace.context;
    });
    std::vector<Tensor> context_rows;
    for (std::size_t i = 0; i < parts_.size(); ++i) context_rows.push_back(real_rows(parts_[i].batch, contexts[i]));
    const Tensor c = at::cat(context_rows);
    const Tensor wanted = all_rows(parts_, [&](const Part& p) { return p.plain[state + 1]; });
    Tensor gamma = m_.params.at(norm + "LayerNorm.weight");
    gamma = at::where(gamma.abs().lt(0.05), at::full_like(gamma, 0.05), gamma);
    const Tensor sum = (wanted - m_.params.at(norm + "LayerNorm.bias")) / gamma;  // as the norm leaves it, variance 1
    const double factor = regress(c, x, sum, o_.ridge).factors.median().item<double>();
    const Regression fit = regress(c, x, sum, o_.ridge, at::full_like(gamma, factor));
    param(layer, "attention.output.dense.weight") = (fit.matrix / factor).contiguous();
    param(layer, "attention.output.dense.bias") = (fit.constants / factor).contiguous();
    const Tensor h = fit.of(c, x) / factor;

    // base + tilt (v / mean - 1), v the mean square.
    const Tensor v = h.square().mean(1, true);
    const double mean = v.mean().item<double>();
    const Tensor t = v / mean - 1, target = wanted - m_.params.at(norm + "LayerNorm.bias");
    const Tensor flat = h * gamma, tilted = flat * t;
    const auto dot = [](const Tensor& a, const Tensor& b) { return (a * b).sum().item<double>(); };
    const double ff = dot(flat, flat), ft = dot(flat, tilted), tt = dot(tilted, tilted), fy = dot(flat, target),
                 ty = dot(tilted, target), det = ff * tt - ft * ft;
    const double base = (fy * tt - ty * ft) / det, tilt = (ty * ff - fy * ft) / det;
    const double relative = std::clamp(tilt / base, -o_.steepest, 0.0);
    const double slope = relative / (mean * (1 - relative));
    const Tensor scaled = h * (v * slope + 1);
    const Tensor sm = scaled.mean(0), centred = scaled - sm, wm = wanted.mean(0);
    const Tensor weight = (centred * (wanted - wm)).mean(0) / centred.square().mean(0).clamp_min(1e-12);
    m_.params[norm + "AffineNorm.slope"] = at::full({1}, slope, gamma.options());
    m_.params[norm + "AffineNorm.weight"] = weight.contiguous();
    m_.params[norm + "AffineNorm.bias"] = (wm - weight * sm).contiguous();

    m_.norms[state] = NormMode::mean_square;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      LayerTrace trace;
      const Tensor sum_of_part = parts_[i].student + dense(layer, "attention.output.dense", contexts[i]);
      parts_[i].student = m_.norm(2 * layer, norm, sum_of_part, trace);
    }
    return relative_error(all_rows(parts_, [&](const Part& p) { return real_rows(p.batch, p.student); }), wanted);
  }

  // Of each column of pre-activations, some at once: in double precision all would fill the memory.
  Tensor parabolas(const Tensor& z) const {
    std::vector<Tensor> found(static_cast<std::size_t>((z.size(1) + kUnits - 1) / kUnits));
    in_parallel(found.size(), m_.device, [&](std::size_t i) {
      const auto first = static_cast<std::int64_t>(i) * kUnits;
      const Tensor some = z.slice(1, first, std::min(z.size(1), first + kUnits));
      found[i] = parabolas_near(some, activate(m_.config.activation, some));
    });
    return at::cat(found);
  }

  double start_feed_forward(int layer) {
    const std::size_t state = 2 * static_cast<std::size_t>(layer);
    const std::string norm = norm_prefix(2 * layer + 1);
    const Tensor h = all_rows(parts_, [&](const Part& p) { return real_rows(p.batch, p.student); });
    const Tensor wanted = all_rows(parts_, [&](const Part& p) { return p.plain[state + 2]; });
    const Tensor z = dense(layer, "intermediate.dense", h);
    square_units(m_, layer, parabolas(z));
    const auto units = [&](const Tensor& x) { return dense(layer, "intermediate.dense", x).square(); };
    const Regression fit = regress(units(h), h, wanted, o_.ridge);
    param(layer, "output.dense.weight") = (fit.matrix / fit.factors.unsqueeze(1)).contiguous();
    param(layer, "output.dense.bias") = at::zeros_like(param(layer, "output.dense.bias"));
    m_.params[norm + "AffineNorm.weight"] = fit.factors.contiguous();
    m_.params[norm + "AffineNorm.bias"] = fit.constants.contiguous();
    m_.norms[state + 1] = NormMode::affine;
    for (Part& part : parts_) part.student = fit.of(units(part.student), part.student);
    return relative_error(all_rows(parts_, [&](const Part& p) { return real_rows(p.batch, p.student); }), wanted);
  }

  EncoderModule& m_;
  const DeepStartOptions& o_;
  const std::function<void(const std::string&)>& log_;
  std::vector<Part> parts_;
  std::vector<std::vector<ScoreSample>> samples_;  // per layer and head, from each part
};

}  // namespace

std::size_t deep_start_tokens(const model::ModelConfig& config) { return config.hidden <= 384 ? 50000 : 26000; }

void start_deep_polynomial(EncoderModule& module, const DataSet& data, const DeepStartOptions& options,
                           const std::function<void(const std::string&)>& log) {
  const bool exact = std::ranges::all_of(module.norms, [](NormMode mode) { return mode == NormMode::exact; });
  if (!exact || module.softmax != model::Softmax::exact || module.config.pooler)
    throw Error(ErrorCode::usage, "a deep polynomial start needs a plain model without a pooler");
  at::NoGradGuard no_grad;
  for (auto& [name, value] : module.params) value = value.detach().clone();
  DeepStart(module, data, options, log).run();
}

}  // namespace thex::convert
