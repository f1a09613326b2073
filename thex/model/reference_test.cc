#include "thex/model/reference.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/support/models.h"
#include "thex/model/dense.h"

namespace thex::model {
namespace {

using support::error_of;
using support::random_model;
using support::small_config;

using Ids = std::vector<std::int32_t>;

ModelConfig he_config() {
  ModelConfig config = small_config();
  config.activation = Activation::relu;
  config.pooler = false;
  config.thex = HeSection{1, Softmax::estimation, Norm::affine, 0, 0};
  return config;
}

ModelConfig one_round_config() {
  ModelConfig config = he_config();
  config.activation = Activation::square;
  config.thex->softmax = Softmax::power;
  return config;
}

// Every tensor zero, so that a test sets only what it is about.
Model zero_model(const ModelConfig& config) {
  Model model = random_model(config, 1);
  for (auto& [name, tensor] : model.tensors) std::fill(tensor.data.begin(), tensor.data.end(), 0.0f);
  return model;
}

ModelConfig two_wide() {
  ModelConfig config = small_config();
  config.layers = 1;
  config.hidden = 2;
  config.heads = 1;
  config.ffn = 1;
  config.vocab = 3;
  return config;
}

std::vector<float>& data(Model& model, const std::string& name) { return model.tensors.at(name).data; }

TEST(Dense, EqualsThePlainSum) {
  support::Uniform uniform(3);
  for (const auto& [rows, out, in] : {std::tuple{1, 1, 1}, {3, 5, 7}, {8, 4, 16}, {17, 9, 33}, {25, 13, 128}}) {
    std::vector<double> x(static_cast<std::size_t>(rows * in));
    std::vector<float> w(static_cast<std::size_t>(out * in)), b(static_cast<std::size_t>(out));
    for (auto& v : x) v = uniform();
    for (auto& v : w) v = static_cast<float>(uniform());
    for (auto& v : b) v = static_cast<float>(uniform());
    const auto y = dense(x, w, b);
    ASSERT_EQ(y.size(), static_cast<std::size_t>(rows * out));
    for (int r = 0; r < rows; ++r) {
      for (int o = 0; o < out; ++o) {
        double sum = b[static_cast<std::size_t>(o)];
        for (int k = 0; k < in; ++k) {
          sum += x[static_cast<std::size_t>(r * in + k)] * w[static_cast<std::size_t>(o * in + k)];
        }
        EXPECT_NEAR(y[static_cast<std::size_t>(r * out + o)], sum, 1e-13);
      }
    }
  }
}

TEST(Embed, RowsOfLayerNormHaveMeanZeroAndVarianceOne) {
  Model model = random_model(small_config(), 7);
  std::fill(data(model, "embeddings.LayerNorm.weight").begin(), data(model, "embeddings.LayerNorm.weight").end(), 1.0f);
  std::fill(data(model, "embeddings.LayerNorm.bias").begin(), data(model, "embeddings.LayerNorm.bias").end(), 0.0f);
  const auto x = embed(model, Ids{1, 2, 49}, Ids{0, 0, 1});
  ASSERT_EQ(x.size(), 48u);
  for (std::size_t row = 0; row < 48; row += 16) {
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < 16; ++i) mean += x[row + i] / 16, square += x[row + i] * x[row + i] / 16;
    EXPECT_NEAR(mean, 0, 1e-14);
    EXPECT_NEAR(square, 1, 1e-9);
  }
}

TEST(Embed, AddsWordPositionAndType) {
  Model model = zero_model(two_wide());
  data(model, "embeddings.word_embeddings.weight") = {0, 0, 1, 0, 0, 0};  // word 1: (1, 0)
  data(model, "embeddings.token_type_embeddings.weight") = {0, 0, 0, 3};  // type 1: (0, 3)
  data(model, "embeddings.position_embeddings.weight")[2] = 5;            // position 1: (5, 0)
  data(model, "embeddings.LayerNorm.weight") = {2, 10};
  data(model, "embeddings.LayerNorm.bias") = {0.5, 0.25};
  // Sums: (1,0), (5,3), (0,3). A row (a,b) normalises to (s,-s) with s the sign of a-b.
  const auto x = embed(model, Ids{1, 0, 2}, Ids{0, 1, 1});
  EXPECT_THAT(x, ::testing::Pointwise(::testing::DoubleNear(1e-9), {2.5, -9.75, 2.5, -9.75, -1.5, 10.25}));
}

TEST(Embed, RejectsIdsAndLengths) {
  const Model model = random_model(small_config(), 8);
  EXPECT_NE(error_of(ErrorCode::input,
                     [&] {
                       embed(model, Ids{1, 50}, Ids{0, 0});
                     })
                .find("token 1 has id 50"),
            std::string::npos);
  error_of(ErrorCode::input, [&] { embed(model, Ids{-1}, Ids{0}); });
  error_of(ErrorCode::input, [&] { embed(model, Ids{1}, Ids{2}); });
  error_of(ErrorCode::input, [&] { embed(model, Ids{}, Ids{}); });
  error_of(ErrorCode::input, [&] { embed(model, Ids{1, 2}, Ids{0}); });
  error_of(ErrorCode::input, [&] { embed(model, Ids(25, 1), Ids(25, 0)); });
  error_of(ErrorCode::input, [&] { forward_embedded(model, std::vector<double>(17)); });
}

// With a zero query all scores are equal: softmax gives 1/n each, so attention is the mean of the values. That also
// shows that the rows of P sum to one.
TEST(Forward, EqualScoresAverageTheValues) {
  Model model = zero_model(two_wide());
  data(model, "encoder.layer.0.attention.self.value.weight") = {1, 0, 0, 1};
  data(model, "encoder.layer.0.attention.output.dense.weight") = {1, 0, 0, 1};
  model.config.thex = HeSection{1, Softmax::exact, Norm::affine, 0, 0};
  for (const char* norm : {"attention.output", "output"}) {
    data(model, std::string("encoder.layer.0.") + norm + ".LayerNorm.weight") = {1, 1};
  }
  const auto result = forward_embedded(model, {1, 2, 3, 4, 5, 12});
  // x + mean = x + (3, 6); the FFN adds nothing.
  EXPECT_THAT(result.hidden[1], ::testing::Pointwise(::testing::DoubleNear(1e-13), {4.0, 8.0, 6.0, 10.0, 8.0, 18.0}));
}

// A case worked out by hand: softmax of scores that differ, GELU, pooler and classifier.
TEST(Forward, HandComputedExactSoftmaxGeluAndHead) {
  Model model = zero_model(two_wide());
  model.config.thex = HeSection{1, Softmax::exact, Norm::affine, 0, 0};
  for (const char* norm : {"attention.output", "output"}) {
    data(model, std::string("encoder.layer.0.") + norm + ".LayerNorm.weight") = {1, 1};
  }
  // Tokens (1,0) and (0,1). q = k = x, so the scores of the first are (1,0)/sqrt(2); v = x; no output bias.
  for (const char* name : {"self.query", "self.key", "self.value", "output.dense"}) {
    data(model, std::string("encoder.layer.0.attention.") + name + ".weight") = {1, 0, 0, 1};
  }
  data(model, "encoder.layer.0.intermediate.dense.weight") = {1, 1};
  data(model, "encoder.layer.0.output.dense.weight") = {2, -1};
  data(model, "encoder.layer.0.output.dense.bias") = {0, 0.5};
  data(model, "pooler.dense.weight") = {1, 0, 0, 0.5};
  data(model, "classifier.weight") = {1, 1, 0, -1};
  data(model, "classifier.bias") = {0.25, 0};
  const auto result = forward_embedded(model, {1, 0, 0, 1});
  const double e = std::exp(1 / std::sqrt(2.0)), p = e / (e + 1);
  // Attention of token 0: (p, 1-p); residual: (1+p, 1-p), whose sum is 2. GELU(2) = 2 * Phi(2).
  const double gelu = 2 * 0.97724986805182079;
  const double h0 = 1 + p + 2 * gelu, h1 = 1 - p - gelu + 0.5;
  EXPECT_NEAR(result.hidden[1][0], h0, 1e-12);
  EXPECT_NEAR(result.hidden[1][1], h1, 1e-12);
  const double t0 = std::tanh(h0), t1 = std::tanh(h1 / 2);
  EXPECT_THAT(result.logits, ::testing::Pointwise(::testing::DoubleNear(1e-12), {t0 + t1 + 0.25, -t1}));
  EXPECT_EQ(result.max_relu_input, 0);  // there is no ReLU in it
}

// The estimation, worked out by hand with a T that is linear on the range: T(s) = 0.5 - s/100.
TEST(Forward, HandComputedEstimationAndRelu) {
  ModelConfig config = two_wide();
  config.pooler = false;
  config.activation = Activation::relu;
  config.thex = HeSection{1, Softmax::estimation, Norm::affine, 0, 0};
  Model model = zero_model(config);
  for (const char* norm : {"attention.output", "output"}) {
    data(model, std::string("encoder.layer.0.") + norm + ".LayerNorm.weight") = {1, 1};
  }
  data(model, "encoder.layer.0.attention.output.LayerNorm.bias") = {0.5, 0};
  for (const char* name : {"self.query", "self.key", "self.value", "output.dense"}) {
    data(model, std::string("encoder.layer.0.attention.") + name + ".weight") = {1, 0, 0, 1};
  }
  const std::string t = "encoder.layer.0.attention.self.estimation.";
  data(model, t + "0.weight")[3] = 1;               // unit 3 carries s
  data(model, t + "2.weight")[7 * 16 + 3] = 0.01f;  // unit 7 carries s/100
  data(model, t + "4.weight")[7] = -1;
  data(model, t + "4.bias") = {0.5f};
  data(model, "encoder.layer.0.intermediate.dense.weight") = {1, -1};
  data(model, "encoder.layer.0.output.dense.weight") = {1, 2};
  data(model, "classifier.weight") = {1, 0, 0, 1};
  // Tokens (2,0) and (-8,1). Scores of token 0: 4/sqrt(2) and -16/sqrt(2); u: 1+sqrt(2), 1-4*sqrt(2) < 0.
  const auto result = forward_embedded(model, {2, 0, -8, 1});
  const double u = 1 + std::sqrt(2.0), c = u * u * u, p = c * (0.5 - static_cast<double>(0.01f) * c);
  // Attention of token 0: p * (2,0); residual and affine: (2 + 2p + 0.5, 0).
  const double a = 2.5 + 2 * p, ffn = std::max(a, 0.0);
  EXPECT_NEAR(result.hidden[1][0], a + ffn, 1e-12);
  EXPECT_NEAR(result.hidden[1][1], 2 * ffn, 1e-12);
  EXPECT_THAT(result.logits, ::testing::Pointwise(::testing::DoubleNear(1e-12), {a + ffn, 2 * ffn}));
  // The largest ReLU input is the FFN's for token 1, whose own u is 65/sqrt(8)+1 and whose T is far below zero:
  // residual and affine (-7.5 - 8*p1, 1 + p1), of which the FFN takes the difference.
  const double u1 = 65 / std::sqrt(8.0) + 1, c1 = u1 * u1 * u1, p1 = c1 * (0.5 - static_cast<double>(0.01f) * c1);
  EXPECT_NEAR(result.max_relu_input, std::abs(-8.5 - 9 * p1), 1e-6);
}

TEST(Forward, HandComputedPowerAndSquare) {
  ModelConfig config = two_wide();
  config.pooler = false;
  config.activation = Activation::square;
  config.thex = HeSection{1, Softmax::power, Norm::affine, 0, 0};
  Model model = zero_model(config);
  for (const char* norm : {"attention.output", "output"}) {
    data(model, std::string("encoder.layer.0.") + norm + ".LayerNorm.weight") = {1, 1};
  }
  for (const char* name : {"self.query", "self.key", "self.value", "output.dense"}) {
    data(model, std::string("encoder.layer.0.attention.") + name + ".weight") = {1, 0, 0, 1};
  }
  data(model, "encoder.layer.0.intermediate.dense.weight") = {1, -1};
  data(model, "encoder.layer.0.output.dense.weight") = {1, 2};
  data(model, "classifier.weight") = {1, 0, 0, 1};
  // Tokens (2,0) and (-8,1). Scores of token 0: 4/sqrt(2) and -16/sqrt(2); u: 1 + 2/sqrt(2), 1 - 8/sqrt(2).
  const auto result = forward_embedded(model, {2, 0, -8, 1});
  const double p0 = std::pow(1 + std::sqrt(2.0), 2) / 2, p1 = std::pow(1 - 4 * std::sqrt(2.0), 2) / 2;
  const double a0 = 2 + 2 * p0 - 8 * p1, a1 = p1, ffn = (a0 - a1) * (a0 - a1);
  EXPECT_NEAR(result.hidden[1][0], a0 + ffn, 1e-9);
  EXPECT_NEAR(result.hidden[1][1], a1 + 2 * ffn, 1e-9);
  EXPECT_EQ(result.max_relu_input, 0);
}

TEST(Forward, ExactNormsNormaliseEveryStage) {
  Model model = random_model(small_config(), 11);
  for (int i = 0; i < 2; ++i) {
    const std::string name = "encoder.layer." + std::to_string(i) + ".output.LayerNorm";
    std::fill(data(model, name + ".weight").begin(), data(model, name + ".weight").end(), 2.0f);
    std::fill(data(model, name + ".bias").begin(), data(model, name + ".bias").end(), -1.0f);
  }
  const auto result = forward(model, Ids{5, 6, 7, 8}, Ids{0, 0, 1, 1});
  ASSERT_EQ(result.hidden.size(), 3u);
  for (int stage = 1; stage <= 2; ++stage) {
    for (std::size_t row = 0; row < 64; row += 16) {
      double mean = 0, square = 0;
      const auto& h = result.hidden[static_cast<std::size_t>(stage)];
      for (std::size_t i = 0; i < 16; ++i) mean += h[row + i] / 16, square += (h[row + i] + 1) * (h[row + i] + 1) / 16;
      EXPECT_NEAR(mean, -1, 1e-12);
      EXPECT_NEAR(square, 4, 1e-9);
    }
  }
}

// Permuting the tokens permutes the rows: no stage depends on a token's place except through its embedding.
TEST(Forward, TokensAreTreatedAlike) {
  for (const ModelConfig& config : {small_config(), he_config(), one_round_config()}) {
    const Model model = random_model(config, 12);
    std::vector<double> x = embed(model, Ids{3, 9, 27, 31, 40}, Ids(5, 0)), swapped = x;
    std::swap_ranges(swapped.begin() + 16, swapped.begin() + 32, swapped.begin() + 48);
    const auto a = forward_embedded(model, x), b = forward_embedded(model, swapped);
    double size = 1;  // polynomials of random weights grow
    for (double v : a.hidden[2]) size = std::max(size, std::abs(v));
    for (std::size_t i = 0; i < 16; ++i) {
      EXPECT_NEAR(a.hidden[2][i], b.hidden[2][i], 1e-12 * size);
      EXPECT_NEAR(a.hidden[2][16 + i], b.hidden[2][48 + i], 1e-12 * size);
      EXPECT_NEAR(a.hidden[2][32 + i], b.hidden[2][32 + i], 1e-12 * size);
    }
    EXPECT_THAT(a.logits, ::testing::Pointwise(::testing::DoubleNear(1e-12 * size), b.logits));
    EXPECT_EQ(a.logits.size(), 2u);
  }
}

// A token whose scores are far below zero stands for padding: it must not matter under the estimation at all.
TEST(Forward, EstimationIgnoresKeysWithNegativeU) {
  Model model = random_model(he_config(), 13);
  model.config.layers = 1;
  const std::string self = "encoder.layer.0.attention.self.";
  // Keys read only feature 0, queries are constant: a token with feature 0 = -1000 has a score far below -2 everywhere.
  std::fill(data(model, self + "query.weight").begin(), data(model, self + "query.weight").end(), 0.0f);
  std::fill(data(model, self + "query.bias").begin(), data(model, self + "query.bias").end(), 1.0f);
  std::fill(data(model, self + "key.weight").begin(), data(model, self + "key.weight").end(), 0.0f);
  for (std::size_t row = 0; row < 16; ++row) data(model, self + "key.weight")[row * 16] = 1;
  std::vector<double> x = embed(model, Ids{3, 9, 27}, Ids(3, 0));
  const auto alone = forward_embedded(model, x);
  x.resize(64, 0.25);
  x[48] = -1000;
  const auto padded = forward_embedded(model, x);
  for (std::size_t i = 0; i < 48; ++i) EXPECT_NEAR(alone.hidden[1][i], padded.hidden[1][i], 1e-10);
}

// Each token's logits are those that a text classifier with the same weights would give for [CLS] in its place.
TEST(Forward, TokenClassifierHasARowForEveryToken) {
  ModelConfig config = he_config();
  config.task = Task::token_classification;
  config.labels = {"O", "B-PER", "I-PER"};
  const Model tokens = random_model(config, 4);
  const Ids ids{3, 9, 4, 1}, types(4, 0);
  const ForwardResult result = forward(tokens, ids, types);
  ASSERT_EQ(result.logits.size(), 4u * 3u);
  const auto& weight = tokens.at("classifier.weight", {3, config.hidden}).data;
  const auto& bias = tokens.at("classifier.bias", {3}).data;
  const auto hidden = static_cast<std::size_t>(config.hidden);
  for (std::size_t t = 0; t < 4; ++t)
    for (std::size_t l = 0; l < 3; ++l) {
      double sum = bias[l];
      for (std::size_t c = 0; c < hidden; ++c) sum += weight[l * hidden + c] * result.hidden.back()[t * hidden + c];
      EXPECT_NEAR(result.logits[t * 3 + l], sum, 1e-12) << "token " << t << ", label " << l;
    }
  Model text = tokens;
  text.config.task = Task::classification;
  const auto cls = forward(text, ids, types).logits;
  ASSERT_EQ(cls.size(), 3u);
  for (std::size_t l = 0; l < 3; ++l) EXPECT_EQ(cls[l], result.logits[l]);
}

TEST(Forward, RegressionHasOneValue) {
  ModelConfig config = he_config();
  config.task = Task::regression;
  config.labels = {"similarity"};
  Model model = zero_model(config);
  model.tensors.at("classifier.bias").data[0] = 2.5f;
  EXPECT_EQ(forward(model, Ids{1, 2}, Ids{0, 0}).logits, std::vector<double>{2.5});
}

TEST(Forward, BackboneHasNoLogits) {
  ModelConfig config = small_config();
  config.labels.clear();
  config.pooler = false;
  EXPECT_TRUE(forward(random_model(config, 14), Ids{1}, Ids{0}).logits.empty());
}

// A real fine-tuned BERT-tiny on a real sentence whose logits another project published.
TEST(Forward, RealBertTinyGivesThePublishedLogits) {
  const auto data = support::data_folder();
  if (data.empty()) GTEST_SKIP() << "no optional test data (THEX_DATA)";
  Model model;
  model.config.labels = {"negative", "positive"};
  model.tensors =
      checkpoint::read_safetensors(data / "bert-tiny-encoders/bert_tiny_sst2_encoder_f32.safetensors").tensors;
  std::vector<double> embeddings;
  for (int token = 0; token < 21; ++token) {
    std::ifstream file(data / ("bert-tiny-encoders/sample-inputs/0/input_" + std::to_string(token) + ".txt"));
    std::string values((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::replace(values.begin(), values.end(), ',', ' ');
    std::istringstream stream(values);
    for (double value; stream >> value;) embeddings.push_back(value);
    ASSERT_EQ(embeddings.size(), 128u * static_cast<std::size_t>(token + 1));
  }
  EXPECT_THAT(forward_embedded(model, embeddings).logits,
              ::testing::Pointwise(::testing::DoubleNear(0.006), {-2.46, 2.37}));
}

// Where only the residual is left, an error of the first token's row goes through both norms' factors and the
// classifier.
TEST(Sensitivity, OfResidualsIsTheProductOfTheFactors) {
  ModelConfig config = one_round_config();
  config.layers = 2;
  Model model = random_model(config, 21);
  for (auto& [name, tensor] : model.tensors)
    if (name.ends_with("output.dense.weight")) std::fill(tensor.data.begin(), tensor.data.end(), 0.0f);
  std::vector<double> factor(16, 1);
  const auto through = [&](const std::string& norm) {
    for (std::size_t i = 0; i < factor.size(); ++i) factor[i] *= data(model, norm + ".LayerNorm.weight")[i];
  };
  const auto mean_square = [&] {
    double sum = 0;
    for (std::size_t label = 0; label < 2; ++label)
      for (std::size_t i = 0; i < 16; ++i)
        sum += std::pow(factor[i] * data(model, "classifier.weight")[label * 16 + i], 2);
    return sum / 2;
  };
  std::vector<double> expected;  // of the sum after attention in layer 1, and of what layer 1 and layer 0 are given
  through("encoder.layer.1.output");
  through("encoder.layer.1.attention.output");
  expected.push_back(std::sqrt(mean_square()));
  through("encoder.layer.0.output");
  through("encoder.layer.0.attention.output");
  expected.push_back(std::sqrt(mean_square()));
  const std::vector<double> text = embed(model, Ids{3, 9, 27}, Ids(3, 0));
  const std::vector<LayerSensitivity> measured = measure_sensitivity(model, std::span(&text, 1), 4000);
  ASSERT_EQ(measured.size(), 2u);
  EXPECT_NEAR(measured[1].attention_sum, expected[0], 0.05 * expected[0]);
  EXPECT_NEAR(measured[1].input, expected[0], 0.05 * expected[0]);
  EXPECT_NEAR(measured[0].attention_sum, expected[1], 0.05 * expected[1]);
  EXPECT_NEAR(measured[0].input, expected[1], 0.05 * expected[1]);
}

}  // namespace
}  // namespace thex::model
