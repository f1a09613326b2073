#include "thex/bert/model.h"

#include <algorithm>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/file.h"

namespace thex::bert {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::uint64_t kMaxVocabBytes = 64u << 20;

std::string show(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

// The name without "bert." and with the names that older checkpoints give to LayerNorm's parameters put right.
std::string canonical_name(const std::string& name) {
  std::string result = name.starts_with("bert.") ? name.substr(5) : name;
  const auto replace_end = [&result](std::string_view old_end, std::string_view new_end) {
    if (result.ends_with(old_end)) result.replace(result.size() - old_end.size(), old_end.size(), new_end);
  };
  replace_end("LayerNorm.gamma", "LayerNorm.weight");
  replace_end("LayerNorm.beta", "LayerNorm.bias");
  return result;
}

bool is_client_tensor(const std::string& name) {
  const std::string canonical = canonical_name(name);
  // position_ids is a constant buffer 0, 1, 2, ... that some checkpoints carry.
  return canonical.starts_with("embeddings.") && canonical != "embeddings.position_ids";
}

bool is_server_tensor(const std::string& name) {
  const std::string canonical = canonical_name(name);
  return canonical.starts_with("encoder.") || canonical.starts_with("pooler.") || canonical.starts_with("classifier.");
}

bool is_model_tensor(const std::string& name) { return is_client_tensor(name) || is_server_tensor(name); }

const Tensor& checked(const TensorMap& tensors, const std::string& name, const Shape& shape) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) {
    throw Error(ErrorCode::model, "tensor \"" + name + "\" of shape " + show(shape) + " is missing");
  }
  if (it->second.shape != shape) {
    throw Error(ErrorCode::model,
                "tensor \"" + name + "\" has shape " + show(it->second.shape) + ", expected " + show(shape));
  }
  return it->second;
}

// What a checkpoint without a "thex" section leaves to its tensors.
void detect_head(const std::map<std::string, Shape>& shapes, ModelConfig& config) {
  const auto has = [&](std::string_view name) {
    return std::any_of(shapes.begin(), shapes.end(),
                       [&](const auto& item) { return canonical_name(item.first) == name; });
  };
  const bool has_encoder = std::any_of(shapes.begin(), shapes.end(), [](const auto& item) {
    return canonical_name(item.first).starts_with("encoder.");
  });
  if (!has_encoder) return;  // a client's bundle says nothing about the rest
  config.pooler = has("pooler.dense.weight") && config.task != Task::token_classification;
  if (!has("classifier.weight")) config.labels.clear();
}

void refuse_more_layers(const std::map<std::string, Shape>& shapes, int layers) {
  const std::string next = "encoder.layer." + std::to_string(layers) + ".";
  for (const auto& [name, shape] : shapes) {
    if (canonical_name(name).starts_with(next)) {
      throw Error(ErrorCode::model, "tensor \"" + name + "\" belongs to a layer beyond num_hidden_layers = " +
                                        std::to_string(layers) + " of config.json");
    }
  }
}

}  // namespace

const Tensor& Model::at(const std::string& name, std::initializer_list<std::int64_t> shape) const {
  return checked(tensors, name, Shape(shape));
}

std::map<std::string, Shape> expected_tensors(const ModelConfig& config, Part part) {
  std::map<std::string, Shape> shapes;
  const std::int64_t hidden = config.hidden, ffn = config.ffn;
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    shapes[name + ".weight"] = {out, in};
    shapes[name + ".bias"] = {out};
  };
  const auto norm = [&](const std::string& name) {
    shapes[name + ".LayerNorm.weight"] = {hidden};
    shapes[name + ".LayerNorm.bias"] = {hidden};
  };
  if (part != Part::server) {
    shapes["embeddings.word_embeddings.weight"] = {config.vocab, hidden};
    shapes["embeddings.position_embeddings.weight"] = {config.max_positions, hidden};
    shapes["embeddings.token_type_embeddings.weight"] = {config.type_vocab, hidden};
    norm("embeddings");
  }
  if (part == Part::client) return shapes;
  for (int i = 0; i < config.layers; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i) + ".";
    for (const char* name : {"query", "key", "value"}) linear(layer + "attention.self." + name, hidden, hidden);
    if (config.thex && config.thex->softmax == Softmax::estimation) {
      linear(layer + "attention.self.estimation.0", kEstimationWidth, 1);
      linear(layer + "attention.self.estimation.2", kEstimationWidth, kEstimationWidth);
      linear(layer + "attention.self.estimation.4", 1, kEstimationWidth);
    }
    linear(layer + "attention.output.dense", hidden, hidden);
    norm(layer + "attention.output");
    linear(layer + "intermediate.dense", ffn, hidden);
    linear(layer + "output.dense", hidden, ffn);
    norm(layer + "output");
  }
  if (config.pooler) linear("pooler.dense", hidden, hidden);
  if (!config.labels.empty()) linear("classifier", static_cast<std::int64_t>(config.labels.size()), hidden);
  return shapes;
}

Model load_model(const std::filesystem::path& folder, Part part) {
  Model model;
  model.config = load_config(folder);
  const std::filesystem::path path = folder / "model.safetensors";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw Error(ErrorCode::model, folder.string() + " has no model.safetensors; other weight formats are not read");
  }
  try {
    const std::map<std::string, Shape> shapes = read_safetensors_shapes(path);
    if (!model.config.thex) detect_head(shapes, model.config);
    refuse_more_layers(shapes, model.config.layers);
    const auto expected = expected_tensors(model.config, part);
    // Shapes are compared before any data is read.
    std::map<std::string, Shape> found;
    for (const auto& [name, shape] : shapes) {
      if (is_model_tensor(name) && !found.emplace(canonical_name(name), shape).second) {
        throw Error(ErrorCode::model,
                    "tensor \"" + canonical_name(name) + "\" is there twice, with and without \"bert.\"");
      }
    }
    for (const auto& [name, shape] : expected) {
      const auto it = found.find(name);
      if (it == found.end() || it->second != shape) {
        TensorMap only;
        if (it != found.end()) only[name].shape = it->second;
        checked(only, name, shape);
      }
    }
    SafetensorsFile file = read_safetensors(path, part == Part::client   ? is_client_tensor
                                                  : part == Part::server ? is_server_tensor
                                                                         : is_model_tensor);
    for (auto& [name, tensor] : file.tensors) {
      std::string canonical = canonical_name(name);
      if (expected.contains(canonical)) model.tensors.emplace(std::move(canonical), std::move(tensor));
    }
    for (const auto& [name, shape] : expected) checked(model.tensors, name, shape);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::model) throw;
    const std::string message = e.what();
    throw Error(ErrorCode::model, message.starts_with(path.string()) ? message : path.string() + ": " + message);
  }
  return model;
}

void save_model(const Model& model, const std::filesystem::path& folder, const std::filesystem::path& vocab,
                Dtype dtype, Part part) {
  SafetensorsFile file;
  file.metadata["format"] = "pt";  // Hugging Face's loader asks for this key
  const bool head = !model.config.labels.empty();
  for (const auto& [name, shape] : expected_tensors(model.config, part)) {
    const Tensor& tensor = checked(model.tensors, name, shape);
    // BertForSequenceClassification keeps its encoder under "bert."; a bare BertModel has no prefix.
    file.tensors.emplace(head && !name.starts_with("classifier.") ? "bert." + name : name, tensor);
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(ErrorCode::file, "cannot create " + folder.string() + ": " + error.message());
  if (!vocab.empty()) write_file_atomically(folder / "vocab.txt", read_file(vocab, kMaxVocabBytes));
  write_file_atomically(folder / "tokenizer_config.json", tokenizer_config_to_json(model.config));
  write_safetensors(folder / "model.safetensors", file, dtype);
  write_file_atomically(folder / "config.json", config_to_json(model.config));  // last: it makes the folder a model
}

}  // namespace thex::bert
