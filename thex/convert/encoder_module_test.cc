#include "thex/convert/encoder_module.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/training.h"
#include "thex/base/error.h"
#include "thex/convert/calibrate.h"
#include "thex/convert/score.h"
#include "thex/convert/softmax_estimation.h"
#include "thex/model/reference.h"

namespace thex::convert {
namespace {

using testing::small_config;
using testing::vote_data;

// Every parameter random, so that no term can hide behind a zero or a one. Without a protocol a plain module.
EncoderModule random_module(std::optional<model::Protocol> protocol) {
  model::ModelConfig config = small_config();
  config.pooler = !protocol;
  if (protocol)
    config.activation = *protocol == model::Protocol::the_x ? model::Activation::relu : model::Activation::square;
  EncoderModule m(config, 7, torch::kCPU);
  if (protocol) {
    m.softmax = *protocol == model::Protocol::the_x ? model::Softmax::estimation : model::Softmax::power;
    EstimationOptions e;
    e.steps = 0;
    const Parameters t = fit_estimation(e).first;
    for (int l = 0; l < config.layers && *protocol == model::Protocol::the_x; ++l)
      for (const auto& [name, value] : t)
        m.params[layer_prefix(l) + "attention.self.estimation." + name] = value.clone();
    for (std::size_t i = 0; i < m.norms.size(); ++i) {
      m.norms[i] = NormMode::affine;
      for (const char* part : {"weight", "bias"})
        m.params[norm_prefix(static_cast<int>(i)) + "AffineNorm." + part] = at::ones({config.hidden}) * 0.7;
    }
  }
  auto generator = at::detail::createCPUGenerator(3);
  for (auto& [name, value] : m.params)
    if (name.find("estimation") == std::string::npos)
      value = value + at::randn(value.sizes(), generator, torch::kFloat32) * 0.2;
  return m;
}

void expect_equal_to_reference(const EncoderModule& m) {
  at::NoGradGuard no_grad;
  const model::Model model = m.to_model();
  const DataSet data = vote_data(12, m.config.vocab, 17, 5);
  std::vector<std::size_t> all(data.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const Batch batch = collate(data, all, torch::kCPU);
  ForwardOptions full;
  full.cls_only_last = false;
  const torch::Tensor logits = m.forward(batch, {}).logits, logits_full = m.forward(batch, full).logits;
  double largest = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::vector<std::int32_t> ids(data[i].ids.begin(), data[i].ids.end()),
        types(data[i].types.begin(), data[i].types.end());
    const model::ForwardResult expected = model::forward(model, ids, types);
    largest = std::max(largest, expected.max_relu_input);
    for (std::size_t k = 0; k < 2; ++k) {
      const auto r = static_cast<std::int64_t>(i), c = static_cast<std::int64_t>(k);
      EXPECT_NEAR(logits[r][c].item<double>(), expected.logits[k], 1e-4 + 1e-5 * std::abs(expected.logits[k]))
          << "sentence " << i;
      EXPECT_NEAR(logits_full[r][c].item<double>(), expected.logits[k], 1e-4 + 1e-5 * std::abs(expected.logits[k]))
          << "sentence " << i;
    }
  }
  if (m.softmax == model::Softmax::estimation) {
    // The reference looks at every query of the last layer, the ranges at those that decide.
    const Ranges ranges = measure_ranges(m, data);
    EXPECT_EQ(largest_excess(ranges, ranges).ratio, 1);
    const double measured = ranges.max_relu_input();
    EXPECT_LE(measured, largest * (1 + 1e-4));
    EXPECT_GT(measured, largest * 0.2);
  }
}

TEST(EncoderModule, PlainForwardEqualsTheReference) { expect_equal_to_reference(random_module({})); }

TEST(EncoderModule, HeFriendlyForwardEqualsTheReference) {
  for (const auto protocol : {model::Protocol::the_x, model::Protocol::one_round}) {
    const EncoderModule m = random_module(protocol);
    EXPECT_EQ(m.to_model().config.protocols().front(), protocol);
    expect_equal_to_reference(m);
  }
}

TEST(EncoderModule, NormsByMeanSquaresEqualTheReference) {
  EncoderModule m = random_module(model::Protocol::one_round);
  EXPECT_THROW(
      [&] {
        EncoderModule mixed = m.clone();
        mixed.norms[0] = NormMode::mean_square;
        mixed.to_model();
      }(),
      Error);
  for (std::size_t i = 0; i < m.norms.size(); i += 2) {
    m.norms[i] = NormMode::mean_square;
    m.params[norm_prefix(static_cast<int>(i)) + "AffineNorm.slope"] = at::ones({1}) * -0.05;
  }
  EXPECT_EQ(m.to_model().config.thex->norm, model::Norm::mean_square);
  expect_equal_to_reference(m);
  EXPECT_EQ(EncoderModule(m.to_model(), torch::kCPU).norms, m.norms);
}

TEST(Ranges, LargestExcessNamesThePlace) {
  Ranges calibrated, other;
  calibrated.layers.resize(2);
  calibrated.layers[0].score.max = 2, calibrated.layers[1].score.max = 4, calibrated.layers[1].ffn.max = 10;
  calibrated.logit = 5;
  other = calibrated;
  other.layers[1].ffn.max = 12, other.layers[1].context.max = 1000;  // not an input of a nonlinearity
  EXPECT_EQ(largest_excess(calibrated, other).ratio, 1.2);
  EXPECT_EQ(largest_excess(calibrated, other).where, "layer 1, ffn");
  other.logit = 10;
  EXPECT_EQ(largest_excess(calibrated, other).where, "logits");
}

TEST(EncoderModule, ComesBackFromItsCheckpoint) {
  const EncoderModule m = random_module(model::Protocol::the_x);
  const EncoderModule back(m.to_model(), torch::kCPU);
  EXPECT_EQ(back.norms, m.norms);
  const DataSet data = vote_data(4, m.config.vocab, 9, 1);
  const Batch batch = collate(data, {0, 1, 2, 3}, torch::kCPU);
  EXPECT_TRUE(at::equal(back.forward(batch, {}).logits, m.forward(batch, {}).logits));
}

TEST(EncoderModule, RefusesMixedNormsAndMissingTensors) {
  EncoderModule m = random_module(model::Protocol::the_x);
  model::Model model = m.to_model();
  model.tensors.erase("classifier.bias");
  EXPECT_THROW(EncoderModule(model, torch::kCPU), Error);
  m.norms[1] = NormMode::exact;
  EXPECT_THROW(m.to_model(), Error);
}

TEST(Calibrate, AffineNormsAreTheLeastSquaresFit) {
  EncoderModule m(small_config(), 3, torch::kCPU);
  const DataSet data = vote_data(64, m.config.vocab, 15, 2);
  fit_affine_norms(m, data, {0});
  m.norms[0] = NormMode::shadow;
  std::vector<std::size_t> all(data.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const Batch batch = collate(data, all, torch::kCPU);
  auto loss = [&] {
    const LayerTrace t = m.forward(batch, {}).layers[0];
    return ((t.norm_shadow[0] - t.norm_out[0]) * batch.mask.unsqueeze(-1)).square().sum().item<double>();
  };
  const double best = loss();
  for (const char* part : {"weight", "bias"})
    for (double step : {-0.02, 0.02}) {
      torch::Tensor& value = m.params.at(norm_prefix(0) + "AffineNorm." + part);
      const torch::Tensor before = value;
      value = before + step;
      EXPECT_GT(loss(), best);
      value = before;
    }
}

TEST(Calibrate, AHeadWithoutPoolerStartsAtTheSameOutputs) {
  EncoderModule m(small_config(), 3, torch::kCPU);
  for (const char* name : {"pooler.dense.weight", "classifier.bias"}) m.params.at(name) = m.params.at(name) + 0.3;
  const DataSet data = vote_data(300, m.config.vocab, 15, 2), others = vote_data(50, m.config.vocab, 15, 5);
  const torch::Tensor before = predict(m, others);
  drop_pooler(m, data);
  EXPECT_FALSE(m.config.pooler);
  EXPECT_EQ(m.params.count("pooler.dense.weight"), 0u);
  const torch::Tensor after = predict(m, others);
  const double spread = (before - before.mean(0)).square().mean().item<double>();
  EXPECT_LT((after - before).square().mean().item<double>(), 0.1 * spread);
  EXPECT_THROW(drop_pooler(m, data), Error);
}

// Texts whose states are no numbers, as polynomials may leave them, do not count.
TEST(Calibrate, AHeadIsFittedToAnotherModelsOutputs) {
  EncoderModule wanted(small_config(), 3, torch::kCPU);
  const DataSet data = vote_data(300, wanted.config.vocab, 15, 2);
  drop_pooler(wanted, data);
  const std::int64_t lost = data[0].ids[1];
  DataSet others = vote_data(50, wanted.config.vocab, 15, 5);
  std::erase_if(others, [&](const Sentence& s) { return std::ranges::count(s.ids, lost) > 0; });
  ASSERT_GT(others.size(), 10u);
  EncoderModule student = wanted.clone();
  student.params.at("classifier.weight").fill_(0.1);
  student.params.at("embeddings.word_embeddings.weight")[lost].fill_(std::nan(""));
  const torch::Tensor before = predict(wanted, others);
  fit_head(student, wanted, data);
  EXPECT_LT((predict(student, others) - before).abs().max().item<double>(), 0.02 * before.abs().max().item<double>());
  EXPECT_THROW(fit_head(student, wanted, {}), Error);
}

}  // namespace
}  // namespace thex::convert
