#include "thex/encoder/rows/weights.h"

#include <cmath>
#include <utility>

#include "thex/base/error.h"

namespace thex::encoder {
namespace {

using circuit::Components;
using circuit::Entries;

constexpr const char* kAttentionNorm = "attention.output.LayerNorm";
constexpr const char* kAttentionDense = "attention.output.dense";
constexpr const char* kOutputNorm = "output.LayerNorm";
constexpr const char* kOutputDense = "output.dense";

// rows x columns values held by the closure itself.
Entries table(std::vector<double> values, std::size_t rows, std::size_t columns) {
  auto shared = std::make_shared<const std::vector<double>>(std::move(values));
  return [shared, rows, columns](std::size_t r, std::size_t c) {
    return r < rows && c < columns ? (*shared)[r * columns + c] : 0.0;
  };
}

// left (rows x inner) * right (inner x columns).
Entries product(const Entries& left, const Entries& right, std::size_t rows, std::size_t inner, std::size_t columns) {
  std::vector<double> a(rows * inner), b(inner * columns), c(rows * columns, 0.0);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = left(i / inner, i % inner);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = right(i / columns, i % columns);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t k = 0; k < inner; ++k)
      for (std::size_t j = 0; j < columns; ++j) c[r * columns + j] += a[r * inner + k] * b[k * columns + j];
  return table(std::move(c), rows, columns);
}

// matrix (rows x inner) * v + bias.
Components image(const Entries& matrix, const Components& v, const Components& bias, std::size_t rows,
                 std::size_t inner) {
  std::vector<double> out(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    out[r] = bias(r);
    for (std::size_t c = 0; c < inner; ++c) out[r] += matrix(r, c) * v(c);
  }
  return [out = std::move(out)](std::size_t p) { return p < out.size() ? out[p] : 0.0; };
}

}  // namespace

const checkpoint::Tensor& EncoderWeights::tensor(const std::string& name) const {
  const auto it = model_->tensors.find(name);
  if (it == model_->tensors.end()) throw Error(ErrorCode::model, "the model has no tensor '" + name + "'");
  return it->second;
}

std::string EncoderWeights::layer_name(int layer, const char* rest) const {
  return "encoder.layer." + std::to_string(layer) + "." + rest;
}

Entries EncoderWeights::matrix(const std::string& name, double factor) const {
  if (!model_) return nullptr;
  const checkpoint::Tensor& t = tensor(name);
  const auto rows = static_cast<std::size_t>(t.shape.at(0)), columns = static_cast<std::size_t>(t.shape.at(1));
  return [model = model_, data = t.data.data(), rows, columns, factor](std::size_t r, std::size_t c) {
    return r < rows && c < columns ? factor * static_cast<double>(data[r * columns + c]) : 0.0;
  };
}

Components EncoderWeights::vector(const std::string& name, double factor) const {
  if (!model_) return nullptr;
  const checkpoint::Tensor& t = tensor(name);
  return [model = model_, data = t.data.data(), size = t.data.size(), factor](std::size_t p) {
    return p < size ? factor * static_cast<double>(data[p]) : 0.0;
  };
}

// Of a power both sides are scaled: the smaller they are, the less either's error counts.
double EncoderWeights::query_factor() const {
  const double root = std::sqrt(config_.head_dim());
  return config_.thex && config_.thex->softmax == model::Softmax::power ? std::sqrt(0.5 / root) : 0.5 / root;
}
double EncoderWeights::key_factor() const {
  return config_.thex && config_.thex->softmax == model::Softmax::power ? query_factor() : 1;
}

Entries EncoderWeights::query(int layer) const {
  return matrix(layer_name(layer, "attention.self.query.weight"), query_factor());
}
Components EncoderWeights::query_bias(int layer) const {
  return vector(layer_name(layer, "attention.self.query.bias"), query_factor());
}
Entries EncoderWeights::key(int layer) const {
  return matrix(layer_name(layer, "attention.self.key.weight"), key_factor());
}
Components EncoderWeights::key_bias(int layer) const {
  return vector(layer_name(layer, "attention.self.key.bias"), key_factor());
}
Entries EncoderWeights::value(int layer) const { return matrix(layer_name(layer, "attention.self.value.weight")); }
Components EncoderWeights::value_bias(int layer) const {
  return vector(layer_name(layer, "attention.self.value.bias"));
}

model::LayerWeights EncoderWeights::sizes(int layer) const {
  const auto hidden = static_cast<std::size_t>(config_.hidden), ffn = static_cast<std::size_t>(config_.ffn);
  const auto of_matrix = [](const Entries& m, std::size_t rows, std::size_t columns) {
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c) sum += m(r, c) * m(r, c);
    return std::sqrt(sum / static_cast<double>(rows * columns));
  };
  const auto of_vector = [&](const Components& v) {
    return of_matrix([&](std::size_t, std::size_t p) { return v(p); }, 1, hidden);
  };
  return {.query = of_matrix(query(layer), hidden, hidden),
          .key = of_matrix(key(layer), hidden, hidden),
          .value = of_matrix(value(layer), hidden, hidden),
          .attention_output = of_matrix(attention_output(layer), hidden, hidden),
          .attention_residual = of_vector(attention_residual(layer)),
          .intermediate = of_matrix(intermediate(layer), ffn, hidden),
          .output = of_matrix(output(layer), hidden, ffn),
          .output_residual = of_vector(output_residual(layer))};
}

Entries EncoderWeights::estimation(int layer, int index) const {
  return matrix(layer_name(layer, "attention.self.estimation.") + std::to_string(index) + ".weight");
}
Components EncoderWeights::estimation_bias(int layer, int index) const {
  return vector(layer_name(layer, "attention.self.estimation.") + std::to_string(index) + ".bias");
}

// gamma (row) times a dense layer's matrix.
Entries EncoderWeights::normed(const std::string& norm, const std::string& dense) const {
  if (!model_) return nullptr;
  return [gamma = vector(norm + ".weight"), w = matrix(dense + ".weight")](std::size_t r, std::size_t c) {
    return gamma(r) * w(r, c);
  };
}

Components EncoderWeights::normed_constant(const std::string& norm, const std::string& dense) const {
  if (!model_) return nullptr;
  return [gamma = vector(norm + ".weight"), beta = vector(norm + ".bias"),
          bias = vector(dense + ".bias")](std::size_t p) { return gamma(p) * bias(p) + beta(p); };
}

Entries EncoderWeights::attention_output(int layer) const {
  if (scales_after_attention()) return matrix(layer_name(layer, kAttentionDense) + ".weight");
  return normed(layer_name(layer, kAttentionNorm), layer_name(layer, kAttentionDense));
}
Components EncoderWeights::attention_residual(int layer) const {
  if (scales_after_attention() && model_)
    return [hidden = static_cast<std::size_t>(config_.hidden)](std::size_t p) { return p < hidden ? 1.0 : 0.0; };
  return vector(layer_name(layer, kAttentionNorm) + ".weight");
}
Components EncoderWeights::attention_constant(int layer) const {
  if (scales_after_attention()) return vector(layer_name(layer, kAttentionDense) + ".bias");
  return normed_constant(layer_name(layer, kAttentionNorm), layer_name(layer, kAttentionDense));
}
double EncoderWeights::norm_slope(int layer) const {
  return model_ ? static_cast<double>(tensor(layer_name(layer, kAttentionNorm) + ".slope").data.at(0)) : 0;
}
Entries EncoderWeights::intermediate(int layer) const {
  const Entries w1 = matrix(layer_name(layer, "intermediate.dense.weight"));
  if (!scales_after_attention() || !model_) return w1;
  return [w1, gamma = vector(layer_name(layer, kAttentionNorm) + ".weight")](std::size_t r, std::size_t c) {
    return w1(r, c) * gamma(c);
  };
}
Components EncoderWeights::intermediate_bias(int layer) const {
  const Components bias = vector(layer_name(layer, "intermediate.dense.bias"));
  if (!scales_after_attention() || !model_) return bias;
  return image(matrix(layer_name(layer, "intermediate.dense.weight")),
               vector(layer_name(layer, kAttentionNorm) + ".bias"), bias, static_cast<std::size_t>(config_.ffn),
               static_cast<std::size_t>(config_.hidden));
}
Entries EncoderWeights::output(int layer) const {
  return normed(layer_name(layer, kOutputNorm), layer_name(layer, kOutputDense));
}
Components EncoderWeights::output_residual(int layer) const {
  const Components gamma = vector(layer_name(layer, kOutputNorm) + ".weight");
  if (!scales_after_attention() || !model_) return gamma;
  return [gamma, before = vector(layer_name(layer, kAttentionNorm) + ".weight")](std::size_t p) {
    return gamma(p) * before(p);
  };
}
Components EncoderWeights::output_constant(int layer) const {
  const Components constant = normed_constant(layer_name(layer, kOutputNorm), layer_name(layer, kOutputDense));
  if (!scales_after_attention() || !model_) return constant;
  return [constant, gamma = vector(layer_name(layer, kOutputNorm) + ".weight"),
          before = vector(layer_name(layer, kAttentionNorm) + ".bias")](std::size_t p) {
    return constant(p) + gamma(p) * before(p);
  };
}

Entries EncoderWeights::intermediate_of_input(int layer) const {
  if (!model_) return nullptr;
  return [w1 = intermediate(layer), gamma = attention_residual(layer)](std::size_t unit, std::size_t c) {
    return w1(unit, c) * gamma(c);
  };
}
Entries EncoderWeights::intermediate_of_attention(int layer) const {
  if (!model_) return nullptr;
  const auto ffn = static_cast<std::size_t>(config_.ffn), hidden = static_cast<std::size_t>(config_.hidden);
  return product(intermediate(layer), attention_output(layer), ffn, hidden, hidden);
}
Components EncoderWeights::intermediate_constant(int layer) const {
  if (!model_) return nullptr;
  return image(intermediate(layer), attention_constant(layer), intermediate_bias(layer),
               static_cast<std::size_t>(config_.ffn), static_cast<std::size_t>(config_.hidden));
}

Entries EncoderWeights::query_of_intermediate(int layer) const {
  if (!model_) return nullptr;
  const auto ffn = static_cast<std::size_t>(config_.ffn), hidden = static_cast<std::size_t>(config_.hidden);
  return product(query(layer), output(layer - 1), hidden, hidden, ffn);
}
Entries EncoderWeights::query_of_residual(int layer) const {
  if (!model_) return nullptr;
  return [wq = query(layer), gamma = output_residual(layer - 1)](std::size_t r, std::size_t c) {
    return wq(r, c) * gamma(c);
  };
}
Components EncoderWeights::query_constant(int layer) const {
  if (!model_) return nullptr;
  const auto hidden = static_cast<std::size_t>(config_.hidden);
  return image(query(layer), output_constant(layer - 1), query_bias(layer), hidden, hidden);
}

Entries EncoderWeights::logits_of_residual() const {
  if (!model_) return nullptr;
  return [classifier = matrix("classifier.weight"), gamma = output_residual(config_.layers - 1)](
             std::size_t label, std::size_t c) { return classifier(label, c) * gamma(c); };
}

Entries EncoderWeights::logits_of_intermediate() const {
  if (!model_) return nullptr;
  return product(matrix("classifier.weight"), output(config_.layers - 1), config_.labels.size(),
                 static_cast<std::size_t>(config_.hidden), static_cast<std::size_t>(config_.ffn));
}

Components EncoderWeights::logits_constant() const {
  if (!model_) return nullptr;
  return image(matrix("classifier.weight"), output_constant(config_.layers - 1), vector("classifier.bias"),
               config_.labels.size(), static_cast<std::size_t>(config_.hidden));
}

}  // namespace thex::encoder
