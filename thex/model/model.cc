#include "thex/model/model.h"

#include <string_view>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/checkpoint/weight_files.h"

namespace thex::model {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::uint64_t kMaxVocabBytes = 64u << 20;

std::string show(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

// DistilBERT's names of a layer's parts, and BERT's.
constexpr std::pair<std::string_view, std::string_view> kDistilParts[] = {
    {"attention.q_lin.", "attention.self.query."},
    {"attention.k_lin.", "attention.self.key."},
    {"attention.v_lin.", "attention.self.value."},
    {"attention.out_lin.", "attention.output.dense."},
    {"sa_layer_norm.", "attention.output.LayerNorm."},
    {"ffn.lin1.", "intermediate.dense."},
    {"ffn.lin2.", "output.dense."},
    {"output_layer_norm.", "output.LayerNorm."}};

// BERT's name for a tensor of DistilBERT.
std::string translate(const std::string& name) {
  constexpr std::string_view kLayers = "transformer.layer.", kBeforeClassifier = "pre_classifier.";
  if (name.starts_with(kBeforeClassifier)) return "pooler.dense." + name.substr(kBeforeClassifier.size());
  if (!name.starts_with(kLayers)) return name;
  const std::size_t dot = name.find('.', kLayers.size());
  if (dot == std::string::npos) return name;
  const std::string_view part = std::string_view(name).substr(dot + 1);
  for (const auto& [theirs, ours] : kDistilParts) {
    if (!part.starts_with(theirs)) continue;
    return "encoder.layer." + name.substr(kLayers.size(), dot + 1 - kLayers.size()) + std::string(ours) +
           std::string(part.substr(theirs.size()));
  }
  return name;
}

// The name without "bert." or "distilbert.", with DistilBERT's names and those that older checkpoints give to
// LayerNorm's parameters put right.
std::string canonical_name(const std::string& name) {
  std::string result = name.starts_with("bert.")         ? name.substr(5)
                       : name.starts_with("distilbert.") ? name.substr(11)
                                                         : name;
  result = translate(result);
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

void check_shape(const std::string& name, const Shape* shape, const Shape& expected) {
  if (shape == nullptr) {
    throw Error(ErrorCode::model, "tensor \"" + name + "\" of shape " + show(expected) + " is missing");
  }
  if (*shape != expected) {
    throw Error(ErrorCode::model, "tensor \"" + name + "\" has shape " + show(*shape) + ", expected " + show(expected));
  }
}

const checkpoint::Tensor& checked(const checkpoint::TensorMap& tensors, const std::string& name, const Shape& shape) {
  const auto it = tensors.find(name);
  check_shape(name, it == tensors.end() ? nullptr : &it->second.shape, shape);
  return it->second;
}

// What a checkpoint without a "thex" section leaves to its tensors; `shapes` by canonical name.
void detect_parts(const std::map<std::string, Shape>& shapes, ModelConfig& config) {
  const auto any_begins = [&](std::string_view prefix) {
    const auto it = shapes.lower_bound(std::string(prefix));
    return it != shapes.end() && it->first.starts_with(prefix);
  };
  // A bundle of one side says nothing about the other.
  if (any_begins("embeddings.") && !shapes.contains("embeddings.token_type_embeddings.weight")) config.type_vocab = 0;
  if (!any_begins("encoder.")) return;
  config.pooler = shapes.contains("pooler.dense.weight") && config.task != Task::token_classification;
  if (!shapes.contains("classifier.weight")) config.labels.clear();
}

void refuse_more_layers(const std::map<std::string, Shape>& shapes, int layers) {
  const std::string next = "encoder.layer." + std::to_string(layers) + ".";
  const auto it = shapes.lower_bound(next);
  if (it != shapes.end() && it->first.starts_with(next)) {
    throw Error(ErrorCode::model, "tensor \"" + it->first + "\" belongs to a layer beyond num_hidden_layers = " +
                                      std::to_string(layers) + " of config.json");
  }
}

// Shapes by canonical name, of what belongs to the model.
std::map<std::string, Shape> canonical_shapes(const std::map<std::string, Shape>& shapes) {
  std::map<std::string, Shape> result;
  for (const auto& [name, shape] : shapes) {
    if (is_model_tensor(name) && !result.emplace(canonical_name(name), shape).second) {
      throw Error(ErrorCode::model,
                  "tensor \"" + canonical_name(name) + "\" is there twice, with and without \"bert.\"");
    }
  }
  return result;
}

}  // namespace

const checkpoint::Tensor& Model::at(const std::string& name, std::initializer_list<std::int64_t> shape) const {
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
    if (config.type_vocab > 0) shapes["embeddings.token_type_embeddings.weight"] = {config.type_vocab, hidden};
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
  const checkpoint::WeightFiles files(folder);
  try {
    const std::map<std::string, Shape> found = canonical_shapes(files.shapes());
    if (!model.config.thex) detect_parts(found, model.config);
    refuse_more_layers(found, model.config.layers);
    // Shapes are compared before any data is read.
    const auto expected = expected_tensors(model.config, part);
    for (const auto& [name, shape] : expected) {
      const auto it = found.find(name);
      check_shape(name, it == found.end() ? nullptr : &it->second, shape);
    }
    checkpoint::TensorMap tensors = files.read(
        [&](const std::string& name) { return is_model_tensor(name) && expected.contains(canonical_name(name)); });
    for (auto& [name, tensor] : tensors) model.tensors.emplace(canonical_name(name), std::move(tensor));
    for (const auto& [name, shape] : expected) checked(model.tensors, name, shape);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::model) throw;
    const std::string message = e.what();
    throw Error(ErrorCode::model,
                message.starts_with(folder.string()) ? message : files.path().string() + ": " + message);
  }
  return model;
}

void save_model(const Model& model, const std::filesystem::path& folder, const std::filesystem::path& vocab,
                checkpoint::Dtype dtype, Part part) {
  checkpoint::SafetensorsFile file;
  file.metadata["format"] = "pt";  // Hugging Face's loader asks for this key
  const bool head = !model.config.labels.empty();
  for (const auto& [name, shape] : expected_tensors(model.config, part)) {
    const checkpoint::Tensor& tensor = checked(model.tensors, name, shape);
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

}  // namespace thex::model
