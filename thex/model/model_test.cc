#include "thex/model/model.h"

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>

#include "tests/support/models.h"
#include "tests/support/pytorch_writer.h"
#include "thex/base/file.h"
#include "thex/checkpoint/weight_files.h"
#include "thex/model/reference.h"

namespace thex::model {
namespace {

using support::error_of;
using support::random_model;
using support::small_config;
using support::TemporaryFolder;

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
void write_raw(const std::filesystem::path& folder, const ModelConfig& config, const checkpoint::TensorMap& tensors) {
  write_file_atomically(folder / "config.json", config_to_json(config));
  write_safetensors(folder / "model.safetensors", {tensors, {}}, checkpoint::Dtype::f32);
}

TEST(Model, RoundTripsThroughAFolder) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "words", std::string_view("[PAD]\n[UNK]\n"));
  for (const ModelConfig& config : {small_config(), he_config()}) {
    const Model model = random_model(config, 1);
    save_model(model, folder.path() / "deep/model", folder.path() / "words", checkpoint::Dtype::f32);
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
  save_model(model, folder.path() / "all", "", checkpoint::Dtype::f32);
  save_model(model, folder.path() / "client", "", checkpoint::Dtype::f32, Part::client);
  save_model(model, folder.path() / "server", "", checkpoint::Dtype::f32, Part::server);
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
  save_model(random_model(small_config(), 3), folder.path(), "", checkpoint::Dtype::f32);
  const auto shapes = checkpoint::read_safetensors_shapes(folder.path() / "model.safetensors");
  EXPECT_TRUE(shapes.contains("bert.embeddings.word_embeddings.weight"));
  EXPECT_TRUE(shapes.contains("bert.pooler.dense.weight"));
  EXPECT_TRUE(shapes.contains("classifier.weight"));
  ModelConfig backbone = small_config();
  backbone.labels.clear();
  save_model(random_model(backbone, 3), folder.path(), "", checkpoint::Dtype::f32);
  EXPECT_TRUE(checkpoint::read_safetensors_shapes(folder.path() / "model.safetensors").contains("pooler.dense.weight"));
}

TEST(Model, AcceptsPrefixesOldNamesAndForeignTensors) {
  const TemporaryFolder folder;
  const Model model = random_model(small_config(), 4);
  checkpoint::TensorMap tensors;
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
  EXPECT_NE(error_of(ErrorCode::model, [&] { save_model(broken, folder.path(), "", checkpoint::Dtype::f32); })
                .find("expected [2, 16]"),
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
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); })
                .find("no model.safetensors and no pytorch_model.bin"),
            std::string::npos);
}

// Tensors by turns in two files, and the index that says so.
nlohmann::json write_shards(const std::filesystem::path& folder, const Model& model, bool pytorch) {
  write_file_atomically(folder / "config.json", config_to_json(model.config));
  checkpoint::TensorMap halves[2];
  nlohmann::json index{{"metadata", {{"total_size", 1}}}};
  const std::string end = pytorch ? ".bin" : ".safetensors";
  for (const auto& [name, tensor] : model.tensors) {
    const std::size_t half = index["weight_map"].size() % 2;
    index["weight_map"]["bert." + name] = "part-" + std::to_string(half) + end;
    halves[half]["bert." + name] = tensor;
  }
  for (int half = 0; half < 2; ++half) {
    const auto path = folder / ("part-" + std::to_string(half) + end);
    if (pytorch) {
      write_file_atomically(path, support::pytorch_file(halves[half]));
    } else {
      write_safetensors(path, {halves[half], {}}, checkpoint::Dtype::f32);
    }
  }
  const auto* const name = pytorch ? "pytorch_model.bin.index.json" : "model.safetensors.index.json";
  write_file_atomically(folder / name, index.dump());
  return index;
}

TEST(Model, LoadsShardsAndPytorchFiles) {
  const Model model = random_model(small_config(), 7);
  for (const bool pytorch : {false, true}) {
    const TemporaryFolder folder;
    write_shards(folder.path(), model, pytorch);
    for (const Part part : {Part::all, Part::client, Part::server}) {
      const Model back = load_model(folder.path(), part);
      EXPECT_EQ(back.tensors.size(), expected_tensors(model.config, part).size());
      for (const auto& [name, tensor] : back.tensors) EXPECT_EQ(tensor.data, model.tensors.at(name).data) << name;
    }
    const auto files = checkpoint::WeightFiles(folder.path()).files();
    ASSERT_EQ(files.size(), 3u);
    EXPECT_TRUE(files[0].filename().string().ends_with("index.json"));
  }
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "config.json", config_to_json(model.config));
  write_file_atomically(folder.path() / "pytorch_model.bin", support::pytorch_file(model.tensors));
  expect_same_tensors(model, load_model(folder.path()));
  // safetensors first, where both are there.
  Model other = random_model(small_config(), 8);
  write_raw(folder.path(), other.config, other.tensors);
  expect_same_tensors(other, load_model(folder.path()));
  EXPECT_EQ(checkpoint::WeightFiles(folder.path()).files(), (std::vector{folder.path() / "model.safetensors"}));
}

TEST(Model, IndexOfShardsIsChecked) {
  const TemporaryFolder folder;
  const nlohmann::json good = write_shards(folder.path(), random_model(small_config(), 9), false);
  const auto rejection = [&](const nlohmann::json& index) {
    write_file_atomically(folder.path() / "model.safetensors.index.json", index.dump());
    return error_of(ErrorCode::model, [&] { load_model(folder.path()); });
  };
  for (const char* outside : {"../part-0.safetensors", "/etc/passwd", "..", ".", "", "a/b", "a\\b"}) {
    nlohmann::json index = good;
    index["weight_map"]["bert.classifier.bias"] = outside;
    EXPECT_NE(rejection(index).find("in the same folder"), std::string::npos) << outside;
  }
  nlohmann::json index = good;
  index["weight_map"]["bert.classifier.bias"] = "part-2.safetensors";
  EXPECT_NE(rejection(index).find("\"part-2.safetensors\" is missing"), std::string::npos);
  index = good;
  index["weight_map"]["bert.nothing"] = "part-1.safetensors";
  EXPECT_NE(rejection(index).find("\"bert.nothing\" is not in \"part-1.safetensors\""), std::string::npos);
  index = good;
  index["weight_map"].erase("bert.classifier.bias");
  EXPECT_NE(rejection(index).find("\"classifier.bias\" of shape [2] is missing"), std::string::npos);
  for (const nlohmann::json& bad : {nlohmann::json(1), nlohmann::json::object(), nlohmann::json{{"weight_map", 1}},
                                    nlohmann::json{{"weight_map", {{"a", 1}}}}})
    EXPECT_NE(rejection(bad).find("weight_map"), std::string::npos) << bad;
  EXPECT_NE(rejection({{"weight_map", nlohmann::json::object()}}).find("empty"), std::string::npos);
  write_file_atomically(folder.path() / "tf_model.h5", std::string_view("x"));
  std::filesystem::remove(folder.path() / "model.safetensors.index.json");
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); }).find("tf_model.h5 is not read"),
            std::string::npos);
  write_file_atomically(folder.path() / "adapter_model.safetensors", std::string_view("x"));
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); }).find("merge it into its base model"),
            std::string::npos);
  std::filesystem::create_symlink("../blobs/0123", folder.path() / "model.safetensors");
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_model(folder.path()); }).find("is a link to ../blobs/0123"),
            std::string::npos);
}

TEST(Model, CheckpointsWithoutTokenTypes) {
  const TemporaryFolder folder;
  Model model = random_model(small_config(), 10);
  model.tensors.erase("embeddings.token_type_embeddings.weight");
  write_raw(folder.path(), model.config, model.tensors);
  for (const Part part : {Part::all, Part::client}) EXPECT_EQ(load_model(folder.path(), part).config.type_vocab, 0);
  const Model back = load_model(folder.path());
  expect_same_tensors(model, back);
  save_model(back, folder.path() / "again", "", checkpoint::Dtype::f32);
  EXPECT_EQ(load_config(folder.path() / "again").type_vocab, 0);
  expect_same_tensors(model, load_model(folder.path() / "again"));
  // Types do not matter, and the sum of word and position is what is normed.
  const std::vector<std::int32_t> ids{1, 2}, types{0, 1}, other{1, 0};
  EXPECT_EQ(embed(back, ids, types), embed(back, ids, other));
  Model zero = back;
  zero.config.type_vocab = 2;
  zero.tensors["embeddings.token_type_embeddings.weight"] = {{2, 16}, std::vector<float>(32)};
  EXPECT_EQ(embed(back, ids, types), embed(zero, ids, types));
}

// DistilBERT's names and configuration; the same model as a BERT with a ReLU in its pooler.
TEST(Model, LoadsDistilBert) {
  const TemporaryFolder folder;
  ModelConfig config = small_config();
  config.type_vocab = 0;
  config.pooler_relu = true;
  const Model model = random_model(config, 11);
  const std::pair<std::string, std::string> parts[] = {{"attention.self.query", "attention.q_lin"},
                                                       {"attention.self.key", "attention.k_lin"},
                                                       {"attention.self.value", "attention.v_lin"},
                                                       {"attention.output.dense", "attention.out_lin"},
                                                       {"attention.output.LayerNorm", "sa_layer_norm"},
                                                       {"intermediate.dense", "ffn.lin1"},
                                                       {"output.dense", "ffn.lin2"},
                                                       {"output.LayerNorm", "output_layer_norm"},
                                                       {"encoder.layer.", "distilbert.transformer.layer."},
                                                       {"embeddings.", "distilbert.embeddings."},
                                                       {"pooler.dense", "pre_classifier"}};
  checkpoint::TensorMap tensors;
  for (const auto& [ours, tensor] : model.tensors) {
    std::string name = ours;
    for (const auto& [from, to] : parts) {
      const std::size_t at = name.find(from);
      if (at != std::string::npos) name.replace(at, from.size(), to);
    }
    tensors[name] = tensor;
  }
  ASSERT_TRUE(tensors.contains("distilbert.transformer.layer.1.sa_layer_norm.bias"));
  write_safetensors(folder.path() / "model.safetensors", {tensors, {}}, checkpoint::Dtype::f32);
  const nlohmann::json distil{{"model_type", "distilbert"},
                              {"architectures", {"DistilBertForSequenceClassification"}},
                              {"n_layers", 2},
                              {"dim", 16},
                              {"n_heads", 2},
                              {"hidden_dim", 32},
                              {"activation", "gelu"},
                              {"vocab_size", 50},
                              {"max_position_embeddings", 24}};
  write_file_atomically(folder.path() / "config.json", distil.dump());
  const Model back = load_model(folder.path());
  expect_same_tensors(model, back);
  EXPECT_TRUE(back.config.pooler_relu);
  EXPECT_EQ(back.config.labels.size(), 2u);
  // The head by hand: classifier(relu(pooler([CLS]))).
  const std::vector<std::int32_t> ids{1, 5, 2}, types(3);
  const ForwardResult result = forward(back, ids, types);
  const auto row = [&](const std::string& name, std::span<const double> x, std::size_t i) {
    double sum = model.tensors.at(name + ".bias").data[i];
    for (std::size_t c = 0; c < 16; ++c) sum += model.tensors.at(name + ".weight").data[i * 16 + c] * x[c];
    return sum;
  };
  std::vector<double> pooled(16);
  for (std::size_t i = 0; i < 16; ++i) pooled[i] = std::max(0.0, row("pooler.dense", result.hidden.back(), i));
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(result.logits[i], row("classifier", pooled, i), 1e-12);
  save_model(back, folder.path() / "bert", "", checkpoint::Dtype::f32);
  EXPECT_EQ(forward(load_model(folder.path() / "bert"), ids, types).logits, result.logits);
}

TEST(Model, LoadsMiniLm) {
  const auto data = support::data_folder();
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

// What wrappers of torch and modules around the encoder leave before every name.
TEST(Model, OneCommonPrefixIsTakenOff) {
  const TemporaryFolder folder;
  const Model model = random_model(small_config(), 9);
  const auto written = [&](const std::function<std::string(const std::string&)>& name_of_tensor) {
    checkpoint::TensorMap tensors;
    for (const auto& [name, tensor] : model.tensors) tensors[name_of_tensor(name)] = tensor;
    tensors["loss.weight"] = {{1}, {1.0f}};
    write_raw(folder.path(), model.config, tensors);
  };
  const auto bert = [](const std::string& name) { return name.starts_with("classifier.") ? name : "bert." + name; };
  for (const std::string prefix : {"", "module.", "model.", "_orig_mod.", "module._orig_mod.", "model.module.",
                                   "0.auto_model.", "_fsdp_wrapped_module.", "student.net."}) {
    written([&](const std::string& name) { return prefix + bert(name); });
    const Model back = load_model(folder.path());
    expect_same_tensors(model, back);
    EXPECT_EQ(back.prefix, prefix);
    EXPECT_EQ(back.prefix_note().find(prefix) == std::string::npos || prefix.empty(), prefix.empty());
    written([&](const std::string& name) { return prefix + name; });
    expect_same_tensors(model, load_model(folder.path()));
  }
  // A compiled encoder inside of a classifier, and checkpointed layers.
  written([&](const std::string& name) { return name.starts_with("classifier.") ? name : "bert._orig_mod." + name; });
  expect_same_tensors(model, load_model(folder.path()));
  written([&](const std::string& name) {
    return name.starts_with("encoder.layer.0.") ? "encoder.layer.0._checkpoint_wrapped_module." + name.substr(16)
                                                : name;
  });
  expect_same_tensors(model, load_model(folder.path()));

  // Nobody can tell which of two encoders is meant, or whether a head belongs to the encoder.
  checkpoint::TensorMap both;
  for (const auto& [name, tensor] : model.tensors) both["teacher." + name] = both["student." + name] = tensor;
  write_raw(folder.path(), model.config, both);
  const std::string several = error_of(ErrorCode::model, [&] { load_model(folder.path()); });
  EXPECT_NE(several.find("\"student.\", \"teacher.\""), std::string::npos) << several;
  written([&](const std::string& name) { return name.starts_with("classifier.") ? name : "model." + name; });
  const std::string head = error_of(ErrorCode::model, [&] { load_model(folder.path()); });
  EXPECT_NE(head.find("\"classifier.bias\" does not begin with \"model.\""), std::string::npos) << head;
}

TEST(Model, WeightsThatAreAnotherKindOfFileAreNamed) {
  const TemporaryFolder folder;
  const Model model = random_model(small_config(), 10);
  write_raw(folder.path(), model.config, model.tensors);
  const std::string whole = read_file(folder.path() / "model.safetensors", 1 << 20);
  const std::string lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 17549312\n";
  const auto message = [&](const std::string& name, const std::string& bytes) {
    write_file_atomically(folder.path() / name, bytes);
    const std::string text = error_of(ErrorCode::model, [&] { load_model(folder.path()); });
    EXPECT_NE(text.find((folder.path() / name).string()), std::string::npos) << text;
    std::filesystem::remove(folder.path() / name);
    return text;
  };
  const auto zip = support::zip_of({{"a", "b"}});
  const std::string safetensors = "model.safetensors", pytorch = "pytorch_model.bin";
  EXPECT_NE(message(safetensors, lfs).find("git lfs pull"), std::string::npos);
  EXPECT_NE(message(safetensors, "<html><body>404").find("web page"), std::string::npos);
  EXPECT_NE(message(safetensors, "").find("empty"), std::string::npos);
  EXPECT_NE(message(safetensors, zip).find("zip"), std::string::npos);
  EXPECT_NE(message(safetensors, whole.substr(0, whole.size() - 100)).find("truncated"), std::string::npos);
  EXPECT_NE(message(safetensors, whole.substr(0, 100)).find("truncated"), std::string::npos);
  EXPECT_NE(message(safetensors, "\x1f\x8b\x08" + std::string(20, '\0')).find("gzip"), std::string::npos);
  EXPECT_NE(message("model.safetensors.index.json", lfs).find("git lfs pull"), std::string::npos);
  EXPECT_NE(message(pytorch, lfs).find("git lfs pull"), std::string::npos);
  EXPECT_NE(message(pytorch, "<!DOCTYPE html>").find("web page"), std::string::npos);
  EXPECT_NE(message(pytorch, "").find("empty"), std::string::npos);
}

TEST(Model, PipesAndFoldersAreNoFilesOfAModel) {
  const TemporaryFolder folder;
  const Model model = random_model(small_config(), 11);
  for (const char* name : {"config.json", "model.safetensors", "tokenizer_config.json", "tokenizer.json"}) {
    write_raw(folder.path(), model.config, model.tensors);
    const auto path = folder.path() / name;
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_NE(error_of(ErrorCode::file, [&] { load_model(folder.path()); }).find(path.string() + " is a pipe"),
              std::string::npos);
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    EXPECT_NE(error_of(ErrorCode::file, [&] { load_model(folder.path()); }).find(path.string() + " is a folder"),
              std::string::npos);
    std::filesystem::remove(path);
  }
}

}  // namespace
}  // namespace thex::model
