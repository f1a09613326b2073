#include "thex/convert/encoder_module.h"

#include <cmath>
#include <cstring>

#include "thex/base/error.h"
#include "thex/convert/softmax_estimation.h"

namespace thex::convert {
namespace {

using torch::Tensor;

Tensor linear(const Parameters& p, const std::string& name, const Tensor& x) {
  return at::linear(x, p.at(name + ".weight"), p.at(name + ".bias"));
}

bool ends_with(const std::string& s, const std::string& tail) {
  return s.size() >= tail.size() && s.compare(s.size() - tail.size(), tail.size(), tail) == 0;
}

// Name and shape of every tensor that a module holds before anything is replaced.
std::map<std::string, std::vector<std::int64_t>> plain_shapes(model::ModelConfig config) {
  config.thex.reset();
  return model::expected_tensors(config);
}

}  // namespace

Tensor activate(model::Activation activation, const Tensor& x) {
  switch (activation) {
    case model::Activation::gelu:
      return at::gelu(x);
    case model::Activation::relu:
      return at::relu(x);
    case model::Activation::square:
      return x.square();
  }
  throw Error(ErrorCode::internal, "no such activation");
}

std::string layer_prefix(int layer) { return "encoder.layer." + std::to_string(layer) + "."; }

std::string norm_prefix(int norm_index) {
  return layer_prefix(norm_index / 2) + (norm_index % 2 == 0 ? "attention.output." : "output.");
}

checkpoint::TensorMap to_tensor_map(const Parameters& params) {
  checkpoint::TensorMap out;
  for (const auto& [name, value] : params) {
    const Tensor t = value.detach().to(torch::kCPU, torch::kFloat32).contiguous();
    checkpoint::Tensor& dst = out[name];
    dst.shape.assign(t.sizes().begin(), t.sizes().end());
    dst.data.assign(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
  }
  return out;
}

Parameters from_tensor_map(const checkpoint::TensorMap& tensors, torch::Device device) {
  Parameters out;
  for (const auto& [name, t] : tensors) {
    const Tensor value = at::empty(t.shape, torch::kFloat32);
    std::memcpy(value.data_ptr<float>(), t.data.data(), t.data.size() * sizeof(float));
    out[name] = value.to(device);
  }
  return out;
}

EncoderModule::EncoderModule(const model::ModelConfig& c, std::uint64_t seed, torch::Device dev)
    : config(c), norms(static_cast<std::size_t>(2 * c.layers), NormMode::exact), device(dev) {
  auto generator = at::detail::createCPUGenerator(seed);
  for (const auto& [name, shape] : plain_shapes(c)) {
    Tensor value;
    if (ends_with(name, "LayerNorm.weight")) {
      value = at::ones(shape);
    } else if (shape.size() == 1) {
      value = at::zeros(shape);
    } else {
      const bool table = name.rfind("embeddings.", 0) == 0;
      const double deviation = table ? 0.05 : 0.6 / std::sqrt(static_cast<double>(shape[1]));
      value = at::randn(shape, generator, torch::kFloat32) * deviation;
    }
    params[name] = value.to(device);
  }
}

EncoderModule::EncoderModule(const model::Model& model, torch::Device dev)
    : config(model.config),
      softmax(model.config.thex ? model.config.thex->softmax : model::Softmax::exact),
      norms(static_cast<std::size_t>(2 * model.config.layers), NormMode::exact),
      device(dev) {
  for (const auto& [name, shape] : plain_shapes(config)) {
    const auto it = model.tensors.find(name);
    if (it == model.tensors.end() || it->second.shape != shape)
      throw Error(ErrorCode::model, "tensor '" + name + "' is missing or has another shape than config.json implies");
  }
  params = from_tensor_map(model.tensors, device);
  const model::Norm norm = model.config.thex ? model.config.thex->norm : model::Norm::exact;
  if (norm == model::Norm::exact) return;
  for (std::size_t i = 0; i < norms.size(); ++i) {
    norms[i] = norm == model::Norm::mean_square && i % 2 == 0 ? NormMode::mean_square : NormMode::affine;
    const std::string p = norm_prefix(static_cast<int>(i));
    for (const char* part : {"weight", "bias"})
      params[p + "AffineNorm." + part] = params.at(p + "LayerNorm." + part).clone();
    if (norms[i] != NormMode::mean_square) continue;
    params[p + "AffineNorm.slope"] = params.at(p + "LayerNorm.slope").clone();
    params.erase(p + "LayerNorm.slope");
  }
}

void EncoderModule::remove_pooler() {
  config.pooler = false;
  params.erase("pooler.dense.weight");
  params.erase("pooler.dense.bias");
}

EncoderModule EncoderModule::clone() const {
  EncoderModule copy = *this;
  for (auto& [name, value] : copy.params) value = value.detach().clone();
  return copy;
}

model::Norm EncoderModule::exported_norm() const {
  const auto all = [&](auto mode_of) {
    for (std::size_t i = 0; i < norms.size(); ++i)
      if (norms[i] != mode_of(i)) return false;
    return true;
  };
  if (all([](std::size_t) { return NormMode::affine; })) return model::Norm::affine;
  if (all([](std::size_t i) { return i % 2 == 0 ? NormMode::mean_square : NormMode::affine; }))
    return model::Norm::mean_square;
  std::size_t replaced = 0;
  for (const NormMode mode : norms) replaced += mode == NormMode::affine || mode == NormMode::mean_square;
  if (replaced > 0)
    throw Error(ErrorCode::usage, "cannot export a model with " + std::to_string(replaced) + " of " +
                                      std::to_string(norms.size()) + " norms replaced");
  return model::Norm::exact;
}

model::Model EncoderModule::to_model() const {
  const model::Norm norm = exported_norm();
  const bool affine = norm != model::Norm::exact;
  Parameters kept;
  for (const auto& [name, value] : params) {
    const auto at_norm = name.find("AffineNorm.");
    if (at_norm != std::string::npos) {
      if (affine) kept[name.substr(0, at_norm) + "LayerNorm." + name.substr(at_norm + 11)] = value;
    } else if (affine && name.rfind("encoder.", 0) == 0 && name.find("LayerNorm.") != std::string::npos) {
      continue;  // replaced
    } else if (!config.pooler && name.rfind("pooler.", 0) == 0) {
      continue;
    } else if (softmax != model::Softmax::estimation && name.find(".estimation.") != std::string::npos) {
      continue;
    } else {
      kept[name] = value;
    }
  }
  model::Model model;
  model.config = config;
  if (affine || softmax != model::Softmax::exact) {
    if (!model.config.thex) model.config.thex.emplace();
    model.config.thex->softmax = softmax;
    model.config.thex->norm = norm;
  }
  model.tensors = to_tensor_map(kept);
  return model;
}

Tensor EncoderModule::norm(int which, const std::string& name, const Tensor& x, LayerTrace& trace) const {
  const int slot = which % 2;
  const NormMode mode = norms[static_cast<std::size_t>(which)];
  trace.norm_in[slot] = x;
  const bool replaced = mode == NormMode::affine || mode == NormMode::mean_square;
  Tensor affine, exact;
  if (mode != NormMode::exact) {
    const Tensor scaled =
        mode == NormMode::mean_square ? x * (x.square().mean(-1, true) * params.at(name + "AffineNorm.slope") + 1) : x;
    affine = scaled * params.at(name + "AffineNorm.weight") + params.at(name + "AffineNorm.bias");
  }
  if (!replaced)
    exact = at::layer_norm(x, {config.hidden}, params.at(name + "LayerNorm.weight"), params.at(name + "LayerNorm.bias"),
                           config.layer_norm_eps);
  if (mode == NormMode::shadow) trace.norm_shadow[slot] = affine;
  trace.norm_out[slot] = replaced ? affine : exact;
  return trace.norm_out[slot];
}

Tensor EncoderModule::attention(const std::string& layer, const Tensor& x, const Tensor& query_rows, const Tensor& mask,
                                LayerTrace& trace) const {
  const std::int64_t batch = x.size(0), h = config.heads, d = config.head_dim();
  auto split = [&](const Tensor& t) { return t.view({batch, t.size(1), h, d}).transpose(1, 2); };
  const Tensor q = split(linear(params, layer + "attention.self.query", query_rows));
  const Tensor k = split(linear(params, layer + "attention.self.key", x));
  const Tensor v = split(linear(params, layer + "attention.self.value", x));
  const Tensor scores = at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(d));
  const Tensor keys = mask.view({batch, 1, 1, -1});
  trace.u = scores * (0.5) + 1;
  if (softmax == model::Softmax::exact) {
    trace.probabilities = at::softmax(scores + (keys - 1) * 1e9, -1);
  } else if (softmax == model::Softmax::power) {
    const Tensor tokens = keys.sum(-1, true);
    trace.cubes = trace.u.square() * keys;
    trace.sum = trace.cubes.sum(-1, true) / tokens;
    trace.probabilities = trace.cubes / tokens;
  } else {
    const Tensor r = at::relu(trace.u);
    const Tensor c = r * r * r * keys;
    trace.cubes = c;
    trace.sum = c.sum(-1, true);
    const ReciprocalTrace t = reciprocal(params, layer + "attention.self.estimation.", trace.sum);
    trace.t1 = t.pre1;
    trace.t2 = t.pre2;
    trace.probabilities = c * t.value;
  }
  trace.query = q;
  trace.key = k;
  trace.value = v;
  trace.context =
      at::matmul(trace.probabilities, v).transpose(1, 2).reshape({batch, query_rows.size(1), config.hidden});
  return linear(params, layer + "attention.output.dense", trace.context);
}

Output EncoderModule::forward(const Batch& batch, const ForwardOptions& options) const {
  Output out;
  Tensor rows = params.at("embeddings.word_embeddings.weight").detach().index_select(0, batch.unique);
  if (options.train && options.word_gradients) rows.set_requires_grad(true);
  out.word_rows = rows;
  const std::int64_t length = batch.ids.size(1);
  Tensor words = at::embedding(rows, batch.ids);
  if (options.train && options.word_dropout > 0) {
    const Tensor keep = at::rand(batch.ids.sizes(), words.options()).ge(options.word_dropout).to(torch::kFloat32);
    words = words * keep.unsqueeze(-1);
  }
  Tensor x = words + params.at("embeddings.position_embeddings.weight").slice(0, 0, length);
  if (config.type_vocab > 0) x = x + at::embedding(params.at("embeddings.token_type_embeddings.weight"), batch.types);
  x = at::layer_norm(x, {config.hidden}, params.at("embeddings.LayerNorm.weight"),
                     params.at("embeddings.LayerNorm.bias"), config.layer_norm_eps);
  if (options.train && options.dropout > 0) x = at::dropout(x, options.dropout, true);
  out.embedded = x;
  const bool tokens = by_token(config.task);
  const bool cls_only = options.cls_only_last && !tokens;
  for (int l = 0; l < config.layers; ++l) {
    LayerTrace trace;
    const std::string p = layer_prefix(l);
    const Tensor query = cls_only && l + 1 == config.layers ? x.slice(1, 0, 1) : x;
    const auto goes_on = [&](int which, const Tensor& output) {
      return options.train && options.guard ? options.guard(batch, static_cast<std::size_t>(which), output) : output;
    };
    const Tensor a =
        goes_on(2 * l, norm(2 * l, p + "attention.output.", query + attention(p, x, query, batch.mask, trace), trace));
    trace.ffn = linear(params, p + "intermediate.dense", a);
    const Tensor f = activate(config.activation, trace.ffn);
    x = goes_on(2 * l + 1, norm(2 * l + 1, p + "output.", a + linear(params, p + "output.dense", f), trace));
    out.layers.push_back(std::move(trace));
  }
  if (tokens) {
    if (!batch.first.defined()) throw Error(ErrorCode::usage, "a token classifier needs the words of its batch");
    out.logits = linear(params, "classifier", x.reshape({-1, config.hidden}).index_select(0, batch.first));
    return out;
  }
  Tensor cls = x.select(1, 0);
  if (config.pooler) {
    cls = linear(params, "pooler.dense", cls);
    cls = config.pooler_relu ? at::relu(cls) : at::tanh(cls);
  }
  out.logits = linear(params, "classifier", cls);
  return out;
}

}  // namespace thex::convert
