#include "thex/model/model.h"

#include <utility>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/json.h"
#include "thex/model/model_files.h"
#include "thex/model/tokenizer_files.h"

namespace thex::model {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::uint64_t kMaxVocabBytes = 64u << 20;

std::string show(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

const checkpoint::Tensor& checked(const checkpoint::TensorMap& tensors, const std::string& name, const Shape& shape) {
  const auto it = tensors.find(name);
  check_shape(name, it == tensors.end() ? nullptr : &it->second.shape, shape);
  return it->second;
}

}  // namespace

void check_shape(const std::string& name, const Shape* shape, const Shape& expected) {
  if (shape == nullptr) {
    throw Error(ErrorCode::model, "tensor \"" + name + "\" of shape " + show(expected) + " is missing");
  }
  if (*shape != expected) {
    throw Error(ErrorCode::model, "tensor \"" + name + "\" has shape " + show(*shape) + ", expected " + show(expected));
  }
}

const checkpoint::Tensor& Model::at(const std::string& name, std::initializer_list<std::int64_t> shape) const {
  return checked(tensors, name, Shape(shape));
}

std::string Model::prefix_note() const {
  if (prefix.empty()) return "";
  return "the names of the tensors begin with " + in_quotes(prefix) + ", which was taken off";
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
    if (config.thex && config.thex->norm == Norm::mean_square) shapes[layer + "attention.output.LayerNorm.slope"] = {1};
    linear(layer + "intermediate.dense", ffn, hidden);
    linear(layer + "output.dense", hidden, ffn);
    norm(layer + "output");
  }
  if (config.pooler) linear("pooler.dense", hidden, hidden);
  if (!config.labels.empty()) linear("classifier", static_cast<std::int64_t>(config.labels.size()), hidden);
  return shapes;
}

std::uint64_t parameter_count(const ModelConfig& config, Part part) {
  std::uint64_t sum = 0;
  for (const auto& [name, shape] : expected_tensors(config, part)) {
    std::uint64_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::uint64_t>(size);
    sum += count;
  }
  return sum;
}

Model load_model(const std::filesystem::path& folder, Part part) {
  const ModelFiles files(folder);
  Model model{files.config(), {}, files.prefix()};
  files.visit(part, [&](const std::string& name, checkpoint::Tensor tensor) {
    model.tensors.emplace(name, std::move(tensor));
  });
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
  if (!vocab.empty()) write_file_atomically(folder / kVocabularyFile, read_file(vocab, kMaxVocabBytes));
  write_file_atomically(folder / "tokenizer_config.json", tokenizer_config_to_json(model.config));
  write_safetensors(folder / "model.safetensors", file, dtype);
  write_file_atomically(folder / "config.json", config_to_json(model.config));  // last: it makes the folder a model
}

}  // namespace thex::model
