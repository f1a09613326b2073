#include "thex/model/reference.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/model/dense.h"

namespace thex::model {
namespace {

using Matrix = std::vector<double>;  // tokens x columns, row-major

// gamma * (x - mean) / sqrt(variance + eps) + beta for each row of `gamma.size()` values.
void exact_norm(Matrix& x, std::span<const float> gamma, std::span<const float> beta, double eps) {
  const std::size_t n = gamma.size();
  for (std::size_t row = 0; row < x.size(); row += n) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < n; ++i) mean += x[row + i];
    mean /= static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) variance += (x[row + i] - mean) * (x[row + i] - mean);
    const double scale = 1 / std::sqrt(variance / static_cast<double>(n) + eps);
    for (std::size_t i = 0; i < n; ++i) x[row + i] = gamma[i] * ((x[row + i] - mean) * scale) + beta[i];
  }
}

// x (1 + slope m) for the mean m of the squares of each row of `n` values.
void scale_by_mean_square(Matrix& x, std::size_t n, double slope) {
  for (std::size_t row = 0; row < x.size(); row += n) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += x[row + i] * x[row + i];
    for (std::size_t i = 0; i < n; ++i) x[row + i] *= 1 + slope * sum / static_cast<double>(n);
  }
}

void affine_norm(Matrix& x, std::span<const float> gamma, std::span<const float> beta) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = gamma[i % gamma.size()] * x[i] + beta[i % gamma.size()];
}

void add(Matrix& x, const Matrix& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

// Collects the sizes of the values at one point of all layers.
class PointSizes {
 public:
  void add(double x) {
    square_ += x * x;
    max_ = std::max(max_, std::abs(x));
    ++count_;
  }
  void add(std::span<const double> values) {
    for (const double x : values) add(x);
  }
  Range range() const { return {count_ == 0 ? 0 : std::sqrt(square_ / static_cast<double>(count_)), max_}; }

 private:
  double square_ = 0, max_ = 0;
  std::size_t count_ = 0;
};

struct LayerSizes {
  PointSizes score, cube, cube_sum, context, attention_sum, attention_norm, ffn, output_norm;
};

class Forward {
 public:
  // `sizes`: of every layer, to be added to; or null. `padding`: rows after the tokens, which attend to them and which
  // nothing attends to; where there are some, theirs alone are the sizes of what is measured by rows.
  Forward(const Model& model, std::size_t tokens, std::vector<LayerSizes>* sizes = nullptr, std::size_t padding = 0)
      : model_(model),
        config_(model.config),
        tokens_(tokens),
        padding_(padding),
        hidden_(static_cast<std::size_t>(config_.hidden)),
        all_sizes_(sizes) {}

  Matrix layer(const Matrix& x, int index) {
    return after_attention(attention_sum(x, context(x, index), index), index);
  }

  // P V; the input of the norm after attention; and the rest of the layer.
  Matrix context(const Matrix& x, int index) {
    Matrix y = attention(x, prefix_of(index) + "attention.self.");
    measure(&LayerSizes::context, y);
    return y;
  }
  Matrix attention_sum(const Matrix& x, const Matrix& context, int index) {
    Matrix y = linear(context, prefix_of(index) + "attention.output.dense", config_.hidden, config_.hidden);
    add(y, x);
    measure(&LayerSizes::attention_sum, y);
    return y;
  }
  Matrix after_attention(Matrix y, int index) {
    const std::string prefix = prefix_of(index);
    norm(y, prefix + "attention.output.LayerNorm");
    measure(&LayerSizes::attention_norm, y);
    Matrix z = linear(y, prefix + "intermediate.dense", config_.ffn, config_.hidden);
    measure(&LayerSizes::ffn, z);
    for (double& v : z) v = activation(v);
    z = linear(z, prefix + "output.dense", config_.hidden, config_.ffn);
    add(z, y);
    norm(z, prefix + "output.LayerNorm");
    measure(&LayerSizes::output_norm, z);
    return z;
  }

  // Logits of [CLS], or of every token.
  std::vector<double> head(const Matrix& x) const {
    const int labels = static_cast<int>(config_.labels.size());
    if (by_token(config_.task)) return linear(x, "classifier", labels, config_.hidden);
    Matrix cls(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(hidden_));
    if (config_.pooler) {
      cls = linear(cls, "pooler.dense", config_.hidden, config_.hidden);
      for (double& v : cls) v = config_.pooler_relu ? std::max(v, 0.0) : std::tanh(v);
    }
    return linear(cls, "classifier", labels, config_.hidden);
  }

  double max_relu_input() const { return max_relu_input_; }

 private:
  // Of a layer's tensors; what is measured from here on is the layer's.
  std::string prefix_of(int index) {
    sizes_ = all_sizes_ ? &(*all_sizes_)[static_cast<std::size_t>(index)] : nullptr;
    return "encoder.layer." + std::to_string(index) + ".";
  }

  void measure(PointSizes LayerSizes::*point, double value) const {
    if (sizes_) (sizes_->*point).add(value);
  }
  void measure(PointSizes LayerSizes::*point, const Matrix& rows) const {
    const std::size_t unmeasured = padding_ > 0 ? tokens_ * (rows.size() / (tokens_ + padding_)) : 0;
    if (sizes_) (sizes_->*point).add(std::span(rows).subspan(unmeasured));
  }

  Matrix linear(const Matrix& x, const std::string& name, int out, int in) const {
    return dense(x, model_.at(name + ".weight", {out, in}).data, model_.at(name + ".bias", {out}).data);
  }

  void norm(Matrix& x, const std::string& name) const {
    const auto& gamma = model_.at(name + ".weight", {config_.hidden}).data;
    const auto& beta = model_.at(name + ".bias", {config_.hidden}).data;
    switch (config_.thex ? config_.thex->norm : Norm::exact) {
      case Norm::exact:
        exact_norm(x, gamma, beta, config_.layer_norm_eps);
        break;
      case Norm::mean_square:
        if (name.ends_with("attention.output.LayerNorm"))
          scale_by_mean_square(x, gamma.size(), model_.at(name + ".slope", {1}).data[0]);
        [[fallthrough]];
      case Norm::affine:
        affine_norm(x, gamma, beta);
        break;
    }
  }

  double relu(double x) {
    max_relu_input_ = std::max(max_relu_input_, std::abs(x));
    return std::max(x, 0.0);
  }

  double activation(double x) {
    if (config_.activation == Activation::relu) return relu(x);
    if (config_.activation == Activation::square) return x * x;
    return 0.5 * x * (1 + std::erf(x * M_SQRT1_2));
  }

  // Per head P * V with P from the scores of all tokens; a row for each of x.
  Matrix attention(const Matrix& x, const std::string& name) {
    const Matrix q = linear(x, name + "query", config_.hidden, config_.hidden);
    const Matrix k = linear(x, name + "key", config_.hidden, config_.hidden);
    const Matrix v = linear(x, name + "value", config_.hidden, config_.hidden);
    const auto d = static_cast<std::size_t>(config_.head_dim());
    const double scale = 1 / std::sqrt(static_cast<double>(d));
    Matrix result(x.size());
    std::vector<double> p(tokens_);
    for (std::size_t column = 0; column < hidden_; column += d) {
      for (std::size_t i = 0; i < tokens_ + padding_; ++i) {
        const double* query = &q[i * hidden_ + column];
        for (std::size_t j = 0; j < tokens_; ++j) {
          const double* key = &k[j * hidden_ + column];
          double sum = 0;
          for (std::size_t c = 0; c < d; ++c) sum += query[c] * key[c];
          p[j] = sum * scale;
        }
        switch (config_.thex ? config_.thex->softmax : Softmax::exact) {
          case Softmax::exact:
            exact_softmax(p);
            break;
          case Softmax::estimation:
            estimate_softmax(p, name + "estimation.");
            break;
          case Softmax::power:
            power_softmax(p);
            break;
        }
        double* out = &result[i * hidden_ + column];
        for (std::size_t j = 0; j < tokens_; ++j) {
          const double* value = &v[j * hidden_ + column];
          for (std::size_t c = 0; c < d; ++c) out[c] += p[j] * value[c];
        }
      }
    }
    return result;
  }

  static void exact_softmax(std::vector<double>& scores) {
    const double top = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double& s : scores) sum += s = std::exp(s - top);
    for (double& s : scores) s /= sum;
  }

  void power_softmax(std::vector<double>& scores) const {
    double sum = 0;
    for (double& s : scores) {
      const double u = s / 2 + 1;
      measure(&LayerSizes::score, u);
      measure(&LayerSizes::cube, u * u);
      sum += s = u * u / static_cast<double>(scores.size());
    }
    measure(&LayerSizes::cube_sum, sum);
  }

  void estimate_softmax(std::vector<double>& scores, const std::string& name) {
    double sum = 0;
    for (double& s : scores) {
      measure(&LayerSizes::score, s / 2 + 1);
      const double u = relu(s / 2 + 1);
      measure(&LayerSizes::cube, u * u * u);
      sum += s = u * u * u;
    }
    measure(&LayerSizes::cube_sum, sum);
    const double reciprocal = estimate_reciprocal(sum, name);
    for (double& s : scores) s *= reciprocal;
  }

  // T: Linear(1,16), ReLU, Linear(16,16), ReLU, Linear(16,1).
  double estimate_reciprocal(double sum, const std::string& name) {
    constexpr int w = kEstimationWidth;
    Matrix x = linear({sum}, name + "0", w, 1);
    for (double& v : x) v = relu(v);
    x = linear(x, name + "2", w, w);
    for (double& v : x) v = relu(v);
    return linear(x, name + "4", 1, w)[0];
  }

  const Model& model_;
  const ModelConfig& config_;
  std::size_t tokens_, padding_, hidden_;
  std::vector<LayerSizes>* const all_sizes_;
  LayerSizes* sizes_ = nullptr;  // of the layer that is computed
  double max_relu_input_ = 0;
};

}  // namespace

std::vector<double> embed(const Model& model, std::span<const std::int32_t> ids,
                          std::span<const std::int32_t> type_ids) {
  const ModelConfig& config = model.config;
  if (ids.empty() || ids.size() > static_cast<std::size_t>(config.max_positions) || type_ids.size() != ids.size()) {
    throw Error(ErrorCode::input, std::to_string(ids.size()) + " tokens with " + std::to_string(type_ids.size()) +
                                      " types; the model takes 1 to " + std::to_string(config.max_positions) +
                                      " tokens, each with its type");
  }
  const auto& words = model.at("embeddings.word_embeddings.weight", {config.vocab, config.hidden}).data;
  const auto& positions = model.at("embeddings.position_embeddings.weight", {config.max_positions, config.hidden}).data;
  const bool typed = config.type_vocab > 0;
  const std::vector<float> none(static_cast<std::size_t>(config.hidden));
  const auto& types =
      typed ? model.at("embeddings.token_type_embeddings.weight", {config.type_vocab, config.hidden}).data : none;
  const auto hidden = static_cast<std::size_t>(config.hidden);
  std::vector<double> x(ids.size() * hidden);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    if (ids[t] < 0 || ids[t] >= config.vocab || (typed && (type_ids[t] < 0 || type_ids[t] >= config.type_vocab))) {
      throw Error(ErrorCode::input, "token " + std::to_string(t) + " has id " + std::to_string(ids[t]) + " and type " +
                                        std::to_string(type_ids[t]) + "; the model has " +
                                        std::to_string(config.vocab) + " ids and " + std::to_string(config.type_vocab) +
                                        " types");
    }
    const float* word = &words[static_cast<std::size_t>(ids[t]) * hidden];
    const float* type = &types[typed ? static_cast<std::size_t>(type_ids[t]) * hidden : 0];
    for (std::size_t i = 0; i < hidden; ++i) {
      x[t * hidden + i] = static_cast<double>(word[i]) + positions[t * hidden + i] + type[i];
    }
  }
  exact_norm(x, model.at("embeddings.LayerNorm.weight", {config.hidden}).data,
             model.at("embeddings.LayerNorm.bias", {config.hidden}).data, config.layer_norm_eps);
  return x;
}

ForwardResult forward_embedded(const Model& model, std::vector<double> embeddings) {
  const auto hidden = static_cast<std::size_t>(model.config.hidden);
  if (embeddings.empty() || embeddings.size() % hidden != 0) {
    throw Error(ErrorCode::input,
                std::to_string(embeddings.size()) + " values are not rows of " + std::to_string(hidden));
  }
  Forward pass(model, embeddings.size() / hidden);
  ForwardResult result;
  result.hidden.push_back(std::move(embeddings));
  for (int i = 0; i < model.config.layers; ++i) result.hidden.push_back(pass.layer(result.hidden.back(), i));
  if (!model.config.labels.empty()) result.logits = pass.head(result.hidden.back());
  result.max_relu_input = pass.max_relu_input();
  return result;
}

ValueSizes measure_sizes(const Model& model, std::span<const std::vector<double>> texts) {
  std::vector<LayerSizes> sizes(static_cast<std::size_t>(model.config.layers));
  ValueSizes all;
  for (const std::vector<double>& embeddings : texts) {
    Forward pass(model, embeddings.size() / static_cast<std::size_t>(model.config.hidden), &sizes);
    Matrix x = embeddings;
    for (int i = 0; i < model.config.layers; ++i) x = pass.layer(x, i);
    if (!model.config.labels.empty())
      for (const double logit : pass.head(x))
        if (std::isfinite(all.max_logit) && !(std::abs(logit) <= all.max_logit)) all.max_logit = std::abs(logit);
    all.max_relu_input = std::max(all.max_relu_input, pass.max_relu_input());
  }
  for (const LayerSizes& s : sizes)
    all.layers.push_back({.score = s.score.range(),
                          .cube = s.cube.range(),
                          .cube_sum = s.cube_sum.range(),
                          .context = s.context.range(),
                          .attention_sum = s.attention_sum.range(),
                          .attention_norm = s.attention_norm.range(),
                          .ffn = s.ffn.range(),
                          .output_norm = s.output_norm.range()});
  return all;
}

std::vector<LayerRanges> measure_padding(const Model& model, std::span<const std::vector<double>> texts) {
  const auto layers = static_cast<std::size_t>(model.config.layers),
             hidden = static_cast<std::size_t>(model.config.hidden);
  std::vector<LayerSizes> beside(layers), alone(layers);
  const auto pass = [&](Matrix x, std::vector<LayerSizes>& sizes) {
    Forward forward(model, x.size() / hidden, &sizes, 1);
    x.resize(x.size() + hidden);
    for (int i = 0; i < model.config.layers; ++i) x = forward.layer(x, i);
  };
  for (const std::vector<double>& embeddings : texts) pass(embeddings, beside);
  pass({}, alone);
  std::vector<LayerRanges> all(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    const auto larger = [&](PointSizes LayerSizes::*point) {
      Range range = (beside[i].*point).range();
      range.widen((alone[i].*point).range());
      return range;
    };
    all[i].attention_sum = larger(&LayerSizes::attention_sum);
    all[i].attention_norm = larger(&LayerSizes::attention_norm);
    all[i].output_norm = larger(&LayerSizes::output_norm);
  }
  return all;
}

std::vector<LayerSensitivity> measure_sensitivity(const Model& model, std::span<const std::vector<double>> texts,
                                                  int draws) {
  constexpr double kError = 1e-6;  // of values near 1: far above rounding, far below what is not linear
  const int layers = model.config.layers;
  std::mt19937_64 engine;
  std::normal_distribution<double> normal(0, kError);
  const auto disturbed = [&](Matrix x) {
    for (double& value : x) value += normal(engine);
    return x;
  };
  struct Changes {
    PointSizes input, context, attention_sum;
  };
  std::vector<Changes> changes(static_cast<std::size_t>(layers));
  for (const std::vector<double>& embeddings : texts) {
    Forward pass(model, embeddings.size() / static_cast<std::size_t>(model.config.hidden));
    const auto outputs_of = [&](Matrix x, int from) {
      for (int i = from; i < layers; ++i) x = pass.layer(x, i);
      return pass.head(x);
    };
    const std::vector<double> expected = outputs_of(embeddings, 0);
    const auto add_changes = [&](const std::vector<double>& outputs, PointSizes& to) {
      for (std::size_t k = 0; k < outputs.size(); ++k) to.add((outputs[k] - expected[k]) / kError);
    };
    Matrix x = embeddings;
    for (int i = 0; i < layers; ++i) {
      Changes& of = changes[static_cast<std::size_t>(i)];
      const Matrix context = pass.context(x, i), sum = pass.attention_sum(x, context, i);
      const auto outputs_of_sum = [&](Matrix y) { return outputs_of(pass.after_attention(std::move(y), i), i + 1); };
      for (int draw = 0; draw < draws; ++draw) {
        add_changes(outputs_of(disturbed(x), i), of.input);
        add_changes(outputs_of_sum(pass.attention_sum(x, disturbed(context), i)), of.context);
        add_changes(outputs_of_sum(disturbed(sum)), of.attention_sum);
      }
      x = pass.after_attention(sum, i);
    }
  }
  std::vector<LayerSensitivity> all;
  for (const Changes& c : changes)
    all.push_back({c.input.range().rms, c.context.range().rms, c.attention_sum.range().rms});
  return all;
}

ForwardResult forward(const Model& model, std::span<const std::int32_t> ids, std::span<const std::int32_t> type_ids) {
  return forward_embedded(model, embed(model, ids, type_ids));
}

}  // namespace thex::model
