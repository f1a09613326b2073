#include "thex/bert/model.h"

#include "thex/base/file.h"
#include "thex/bert/testing.h"

namespace thex::bert {
namespace {

using testing::error_of;
using testing::random_model;
using testing::small_config;
using testing::TemporaryFolder;

ModelConfig he_config() {
  ModelConfig config = small_config();
  config.activation = Activation::relu;
  config.pooler = false;
  config.thex = HeSection{1, Softmax::estimation, Norm::affine, 5, 3};
  return config;
}

std::vector<std::string> names(const Model& model) {
  std::vector<std::string> result;
  for (const auto& item : model.tensors) result.push_back(item.first);
  return result;
}

void expect_same_tensors(const Model& a, const Model& b) {
  ASSERT_EQ(names(a), names(b));
  for (const auto& [name, tensor] : a.tensors) {
    EXPECT_EQ(tensor.shape, b.tensors.at(name).shape) << name;
    EXPECT_EQ(tensor.data, b.tensors.at(name).data) << name;
  }
}

// Writes the tensors as they are, under whatever names.
void write_raw(const std::filesystem::path& folder, const ModelConfig& config, const TensorMap& tensors) {
  write_file_atomically(folder / "config.json", config_to_json(config));
  write_safetensors(folder / "model.safetensors", {tensors, {}}, Dtype::f32);
}

TEST(Model, RoundTripsThroughAFolder) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "words", std::string_view("[PAD]\n[UNK]\n"));
  for (const ModelConfig& config : {small_config(), he_config()}) {
    const Model model = random_model(config, 1);
    save_model(model, folder.path() / "deep/model", folder.path() / "words", Dtype::f32);
    const Model back = load_model(folder.path() / "deep/model");
    expect_same_tensors(model, back);
    EXPECT_EQ(back.config.labels, config.labels);
    EXPECT_EQ(back.config.pooler, config.pooler);
    EXPECT_EQ(back.config.he_friendly(), config.he_friendly());
    EXPECT_EQ(read_file(folder.path() / "deep/model/vocab.txt", 100), "[PAD]\n[UNK]\n");
  }
}

TEST(Model, PartsSplitTheTensorsBetweenClientAndServer) {
  const TemporaryFolder folder;
  const Model model = random_model(he_config(), 2);
  save_model(model, folder.path() / "all", "", Dtype::f32);
  save_model(model, folder.path() / "client", "", Dtype::f32, Part::client);
  save_model(model, folder.path() / "server", "", Dtype::f32, Part::server);
  const Model client = load_model(folder.path() / "all", Part::client);
  const Model server = load_model(folder.path() / "all", Part::server);
  EXPECT_EQ(client.tensors.size() + server.tensors.size(), model.tensors.size());
  for (const auto& name : names(client)) EXPECT_TRUE(name.starts_with("embeddings.")) << name;
  for (const auto& name : names(server)) EXPECT_FALSE(name.starts_with("embeddings.")) << name;
  expect_same_tensors(client, load_model(folder.path() / "client", Part::client));
  expect_same_tensors(server, load_model(folder.path() / "server", Part::server));
  // A bundle does not hold the other half.
  error_of(ErrorCode::model, [&] { load_model(folder.path() / "client", Part::server); });
  error_of(ErrorCode::model, [&] { load_model(folder.path() / "server", Part::all); });
  EXPECT_EQ(load_model(folder.path() / "client", Part::client).config.labels, model.config.labels);
}

TEST(Model, NamesOnDiskAreHuggingFaces) {
  const TemporaryFolder folder;
  save_model(random_model(small_config(), 3), folder.path(), "", Dtype::f32);
  const auto shapes = read_safetensors_shapes(folder.path() / "model.safetensors");
  EXPECT_TRUE(shapes.contains("bert.embeddings.word_embeddings.weight"));
  EXPECT_TRUE(shapes.contains("bert.pooler.dense.weight"));
  EXPECT_TRUE(shapes.contains("classifier.weight"));
  ModelConfig backbone = small_config();
  backbone.labels.clear();
  save_model(random_model(backbone, 3), folder.path(), "", Dtype::f32);
  EXPECT_TRUE(read_safetensors_shapes(folder.path() / "model.safetensors").contains("pooler.dense.weight"));
}

TEST(Model, AcceptsPrefixesOldNamesAndForeignTensors) {
  const TemporaryFolder folder;
  const Model model = random_model(small_config(), 4);
  TensorMap tensors;
  for (const auto& [key, tensor] : model.tensors) {
    std::string name = key;
    if (name == "embeddings.LayerNorm.weight") name = "bert.embeddings.LayerNorm.gamma";
    if (name == "embeddings.LayerNorm.bias") name = "bert.embeddings.LayerNorm.beta";
    tensors[name] = tensor;
  }
  tensors["cls.predictions.bias"] = {{1}, {1.0f}};
  tensors["bert.embeddings.position_ids"] = {{1}, {0.0f}};
  write_raw(folder.path(), model.config, tensors);
  expect_same_tensors(model, load_model(folder.path()));
  tensors["bert.classifier.bias"] = tensors["classifier.bias"];
  write_raw(folder.path(), model.config, tensors);
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); }).find("twice"), std::string::npos);
}

TEST(Model, PlainEncoderLoadsAsABackbone) {
  const TemporaryFolder folder;
  Model model = random_model(small_config(), 5);
  for (const char* name : {"pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"}) {
    model.tensors.erase(name);
  }
  write_raw(folder.path(), model.config, model.tensors);
  for (const Part part : {Part::all, Part::client, Part::server}) {
    const Model back = load_model(folder.path(), part);
    EXPECT_FALSE(back.config.pooler);
    EXPECT_TRUE(back.config.labels.empty());
  }
  // With a "thex" section the configuration is binding.
  model.config.thex = HeSection{};
  write_raw(folder.path(), model.config, model.tensors);
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); }).find("is missing"), std::string::npos);
}

TEST(Model, ErrorsNameTensorAndShape) {
  const TemporaryFolder folder;
  const Model model = random_model(small_config(), 6);
  Model broken = model;
  broken.tensors.erase("encoder.layer.1.output.dense.bias");
  write_raw(folder.path(), model.config, broken.tensors);
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); })
                .find("\"encoder.layer.1.output.dense.bias\" of shape [16] is missing"),
            std::string::npos);
  broken = model;
  broken.tensors["classifier.weight"].shape = {16, 2};
  write_raw(folder.path(), model.config, broken.tensors);
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); }).find("[16, 2], expected [2, 16]"),
            std::string::npos);
  EXPECT_NE(
      error_of(ErrorCode::model, [&] { save_model(broken, folder.path(), "", Dtype::f32); }).find("expected [2, 16]"),
      std::string::npos);
  ModelConfig fewer = model.config;
  fewer.layers = 1;
  write_raw(folder.path(), fewer, model.tensors);
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); }).find("num_hidden_layers = 1"),
            std::string::npos);
  error_of(ErrorCode::model, [&] { model.at("classifier.bias", {3}); });
  error_of(ErrorCode::model, [&] { model.at("nothing", {3}); });
  EXPECT_EQ(model.at("classifier.bias", {2}).data.size(), 2u);
  std::filesystem::remove(folder.path() / "model.safetensors");
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); }).find("no model.safetensors"),
            std::string::npos);
}

TEST(Model, LoadsMiniLm) {
  const auto data = testing::data_folder();
  if (data.empty()) GTEST_SKIP() << "no optional test data (THEX_DATA)";
  const Model model = load_model(data / "minilm-l6-v2");
  EXPECT_EQ(model.config.layers, 6);
  EXPECT_FALSE(model.config.pooler);
  EXPECT_TRUE(model.config.labels.empty());
  EXPECT_EQ(model.tensors.size(), 101u);
  std::size_t parameters = 0;
  for (const auto& [name, tensor] : model.tensors) parameters += tensor.data.size();
  EXPECT_EQ(parameters, 22565376u);
}

}  // namespace
}  // namespace thex::bert
