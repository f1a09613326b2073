#include "thex/model/digest.h"

#include <fstream>
#include <set>

#include "tests/support/models.h"
#include "tests/support/pytorch_writer.h"
#include "thex/base/file.h"
#include "thex/base/hex.h"

namespace thex::model {
namespace {

using support::error_of;
using support::random_model;
using support::small_config;

const std::vector<std::string> kTokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "the", "film"};

ModelDigests digests_of(const Model& model, const std::vector<std::string>& tokens = kTokens, bool lower_case = true) {
  const auto tokenizer = text::Tokenizer::from_tokens(tokens, lower_case);
  return model_digests(model, &tokenizer, "/nonexistent");
}

// The parts that differ, by name.
std::set<std::string_view> differing(const ModelDigests& a, const ModelDigests& b) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kModelPartCount; ++i)
    if (a.parts[i] != b.parts[i]) names.insert(name_of(static_cast<ModelPart>(i)));
  return names;
}

using Names = std::set<std::string_view>;

TEST(ModelDigest, AnyChangedValueOfATensorChangesItsPartAlone) {
  const Model model = random_model(small_config(), 3);
  const ModelDigests before = digests_of(model);
  ASSERT_TRUE(before.complete());
  EXPECT_EQ(before, digests_of(model));
  for (const auto& [name, tensor] : model.tensors) {
    for (const std::size_t at : {std::size_t{0}, tensor.data.size() / 2, tensor.data.size() - 1}) {
      Model changed = model;
      float& value = changed.tensors.at(name).data[at];
      value = std::nextafter(value, 1e9f);  // the smallest change there is
      EXPECT_EQ(differing(before, digests_of(changed)),
                Names{name.starts_with("embeddings.") ? "embeddings" : "weights"})
          << name << " value " << at;
    }
  }
}

// Values that move between tensors of one shape are a change too.
TEST(ModelDigest, NamesAndShapesCount) {
  const Model model = random_model(small_config(), 4);
  Model swapped = model;
  std::swap(swapped.tensors.at("encoder.layer.0.attention.self.query.weight"),
            swapped.tensors.at("encoder.layer.0.attention.self.key.weight"));
  EXPECT_EQ(differing(digests_of(model), digests_of(swapped)), Names{"weights"});
  Model epsilon = model;
  epsilon.config.layer_norm_eps = 1e-5;  // the client's LayerNorm
  EXPECT_EQ(differing(digests_of(model), digests_of(epsilon)), Names{"embeddings"});
  Model bent = model;
  bent.tensors.at("classifier.bias").shape = {1, bent.tensors.at("classifier.bias").shape.at(0)};
  EXPECT_NE(error_of(ErrorCode::model, [&] { digests_of(bent); }).find("classifier.bias"), std::string::npos);
}

TEST(ModelDigest, VocabularyAndSettingsChangeTheTokenizerAlone) {
  const Model model = random_model(small_config(), 5);
  const ModelDigests before = digests_of(model);
  for (std::size_t i = 5; i < kTokens.size(); ++i) {
    std::vector<std::string> tokens = kTokens;
    tokens[i] += "x";
    EXPECT_EQ(differing(before, digests_of(model, tokens)), Names{"tokenizer"}) << kTokens[i];
    tokens = kTokens;
    tokens.insert(tokens.begin() + static_cast<std::ptrdiff_t>(i), "new");
    EXPECT_EQ(differing(before, digests_of(model, tokens)), Names{"tokenizer"}) << kTokens[i];
  }
  std::vector<std::string> tokens = kTokens;
  std::swap(tokens[7], tokens[8]);
  EXPECT_EQ(differing(before, digests_of(model, tokens)), Names{"tokenizer"});
  // The same characters, divided into lines differently.
  tokens = kTokens;
  tokens[7] = "thefi", tokens[8] = "lm";
  EXPECT_EQ(differing(before, digests_of(model, tokens)), Names{"tokenizer"});
  EXPECT_EQ(differing(before, digests_of(model, kTokens, false)), Names{"tokenizer"});
}

TEST(ModelDigest, LabelsAndTheTaskChangeTheLabelsAlone) {
  const Model model = random_model(small_config(), 6);
  const ModelDigests before = digests_of(model);
  for (const auto& labels : std::vector<std::vector<std::string>>{{"positive", "negative"}, {"negative", "Positive"}}) {
    Model changed = model;
    changed.config.labels = labels;
    EXPECT_EQ(differing(before, digests_of(changed)), Names{"labels"});
  }
  Model tags = model;
  tags.config.task = Task::token_classification;
  EXPECT_EQ(labels_digest(tags.config) == labels_digest(model.config), false);
  ModelConfig one = small_config();
  one.labels = {"value"};
  one.task = Task::regression;
  const Digest regression = labels_digest(one);
  one.task = Task::classification;
  EXPECT_NE(labels_digest(one), regression);
}

// What decides the answer is the values, not the file they are in; and each side sees all that the folder has.
TEST(ModelDigest, FilesFormatsAndSidesAgree) {
  const support::TemporaryFolder folder;
  std::string vocabulary;
  for (const std::string& token : kTokens) vocabulary += token + "\n";
  write_file_atomically(folder.path() / "words", vocabulary);
  const Model model = random_model(small_config(), 7);
  const auto words = folder.path() / "words";
  save_model(model, folder.path() / "all", words, checkpoint::Dtype::f32);
  save_model(model, folder.path() / "client", words, checkpoint::Dtype::f32, Part::client);
  save_model(model, folder.path() / "server", "", checkpoint::Dtype::f32, Part::server);
  const ModelDigests whole = digests_of(model);
  EXPECT_EQ(model_digests(folder.path() / "all"), whole);
  for (const Part part : {Part::all, Part::client, Part::server})
    EXPECT_EQ(model_digests(load_model(folder.path() / "all", part), nullptr, folder.path() / "all"), whole);

  const auto bundle = [&](const char* name, Part part) {
    const ModelDigests digests = model_digests(load_model(folder.path() / name, part), nullptr, folder.path() / name);
    EXPECT_EQ(digests, model_digests(folder.path() / name));
    return digests;
  };
  const ModelDigests client = bundle("client", Part::client), server = bundle("server", Part::server);
  EXPECT_EQ(differing(client, whole), Names{"weights"});
  EXPECT_EQ(differing(server, whole), (Names{"embeddings", "tokenizer"}));
  EXPECT_EQ(merged(client, server), whole);

  checkpoint::TensorMap tensors;
  for (const auto& [name, tensor] : model.tensors) tensors["module." + name] = tensor;
  std::filesystem::create_directory(folder.path() / "pytorch");
  for (const char* name : {"config.json", "tokenizer_config.json", "vocab.txt"})
    std::filesystem::copy(folder.path() / "all" / name, folder.path() / "pytorch" / name);
  write_file_atomically(folder.path() / "pytorch/pytorch_model.bin", support::pytorch_file(tensors));
  EXPECT_EQ(model_digests(folder.path() / "pytorch"), whole);
}

TEST(ModelDigest, TheWholeCoversAllParts) {
  const Model model = random_model(small_config(), 8);
  const ModelDigests a = digests_of(model);
  std::set<std::string> wholes{hex(model_digest(std::string_view("plan"), a)),
                               hex(model_digest(std::string_view("plan2"), a))};
  for (std::size_t i = 0; i < kModelPartCount; ++i) {
    ModelDigests b = a;
    b.parts[i]->back() ^= 1;
    wholes.insert(hex(model_digest(std::string_view("plan"), b)));
    b.parts[i].reset();
    EXPECT_FALSE(b.complete());
    const std::string part(name_of(static_cast<ModelPart>(i)));
    EXPECT_NE(error_of(ErrorCode::usage, [&] { model_digest(std::string_view("plan"), b); }).find(part),
              std::string::npos);
  }
  EXPECT_EQ(wholes.size(), 2 + kModelPartCount);
  EXPECT_EQ(wholes.begin()->size(), 64u);
}

}  // namespace
}  // namespace thex::model
