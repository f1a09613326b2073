// Compares the clear reference with an independent forward pass written on libtorch operations, on MiniLM's real
// weights.
#include <torch/torch.h>

#include <cmath>

#include "tests/support/models.h"
#include "thex/model/reference.h"
#include "thex/text/tokenizer.h"

namespace thex::model {
namespace {

class TorchBert {
 public:
  explicit TorchBert(const Model& model) : model_(model) {}

  std::vector<torch::Tensor> hidden(const std::vector<std::int32_t>& ids,
                                    const std::vector<std::int32_t>& types) const {
    const torch::NoGradGuard no_grad;
    const auto index = [](const std::vector<std::int32_t>& v) {
      return torch::tensor(std::vector<std::int64_t>(v.begin(), v.end()));
    };
    const auto n = static_cast<std::int64_t>(ids.size());
    torch::Tensor x = weight("embeddings.word_embeddings").index_select(0, index(ids)) +
                      weight("embeddings.position_embeddings").slice(0, 0, n) +
                      weight("embeddings.token_type_embeddings").index_select(0, index(types));
    x = norm(x, "embeddings.LayerNorm");
    std::vector<torch::Tensor> stages{x};
    for (int i = 0; i < model_.config.layers; ++i) {
      const std::string layer = "encoder.layer." + std::to_string(i) + ".";
      const auto heads = [&](const char* name) {  // heads x tokens x head_dim
        return linear(x, layer + "attention.self." + name)
            .view({n, model_.config.heads, model_.config.head_dim()})
            .transpose(0, 1);
      };
      const torch::Tensor scores =
          torch::matmul(heads("query"), heads("key").transpose(1, 2)) / std::sqrt(double(model_.config.head_dim()));
      const torch::Tensor context =
          torch::matmul(torch::softmax(scores, -1), heads("value")).transpose(0, 1).reshape({n, model_.config.hidden});
      x = norm(x + linear(context, layer + "attention.output.dense"), layer + "attention.output.LayerNorm");
      const torch::Tensor inner = torch::gelu(linear(x, layer + "intermediate.dense"));
      x = norm(x + linear(inner, layer + "output.dense"), layer + "output.LayerNorm");
      stages.push_back(x);
    }
    return stages;
  }

 private:
  torch::Tensor tensor(const std::string& name) const {
    const checkpoint::Tensor& t = model_.tensors.at(name);
    return torch::from_blob(const_cast<float*>(t.data.data()), t.shape, torch::kFloat32);
  }
  torch::Tensor weight(const std::string& name) const { return tensor(name + ".weight"); }
  torch::Tensor linear(const torch::Tensor& x, const std::string& name) const {
    return torch::linear(x, weight(name), tensor(name + ".bias"));
  }
  torch::Tensor norm(const torch::Tensor& x, const std::string& name) const {
    return torch::layer_norm(x, {model_.config.hidden}, weight(name), tensor(name + ".bias"),
                             model_.config.layer_norm_eps);
  }

  const Model& model_;
};

TEST(ReferenceTorch, HiddenStatesAgreeOnMiniLm) {
  const auto data = support::data_folder();
  if (data.empty()) GTEST_SKIP() << "no optional test data (THEX_DATA)";
  torch::set_num_threads(1);
  const Model model = load_model(data / "minilm-l6-v2");
  const text::Tokenizer tokenizer = text::Tokenizer::load(data / "minilm-l6-v2/vocab.txt");
  const TorchBert torch_bert(model);
  const std::vector<std::pair<std::string, std::optional<std::string>>> texts{
      {"a charming and often affecting journey .", std::nullopt},
      {"x", std::nullopt},
      {"", std::nullopt},
      {"The ships left the harbour before the storm came in, and none of them was ever seen again by those on the "
       "shore.",
       "Ships left the harbour."}};
  for (const auto& [text, pair] : texts) {
    const text::Encoding encoding = tokenizer.encode(text, pair);
    const ForwardResult ours = forward(model, encoding.ids, encoding.type_ids);
    const auto theirs = torch_bert.hidden(encoding.ids, encoding.type_ids);
    ASSERT_EQ(ours.hidden.size(), theirs.size());
    for (std::size_t stage = 0; stage < theirs.size(); ++stage) {
      const torch::Tensor flat = theirs[stage].contiguous().view(-1);
      ASSERT_EQ(ours.hidden[stage].size(), static_cast<std::size_t>(flat.numel()));
      double worst = 0, largest = 0;
      for (std::size_t i = 0; i < ours.hidden[stage].size(); ++i) {
        const double value = flat.data_ptr<float>()[i];
        worst = std::max(worst, std::abs(ours.hidden[stage][i] - value));
        largest = std::max(largest, std::abs(value));
      }
      EXPECT_LT(worst, 1e-4) << "stage " << stage << " of \"" << text << '"';
      EXPECT_GT(largest, 0.5);  // not a comparison of zeros
      RecordProperty("worst_" + std::to_string(stage), std::to_string(worst));
    }
  }
}

}  // namespace
}  // namespace thex::model
