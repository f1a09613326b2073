#include "thex/convert/checkpoint.h"

#include <charconv>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/file.h"

namespace thex::convert {
namespace {

std::uint64_t fnv(std::uint64_t state, const char* data, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) state = (state ^ static_cast<unsigned char>(data[i])) * 1099511628211ULL;
  return state;
}

std::string hex(std::uint64_t value) {
  char buffer[17];
  std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(value));
  return buffer;
}

// Of each norm, in the order of NormMode.
constexpr std::string_view kNormLetters = "esam";

// What a module with these nonlinearities computes with. An affine norm has no need of the exact one that it replaced.
std::map<std::string, std::vector<std::int64_t>> required_tensors(model::ModelConfig config, const std::string& norms,
                                                                  model::Softmax softmax) {
  config.thex.emplace();
  config.thex->softmax = softmax;
  auto shapes = model::expected_tensors(config);
  for (std::size_t i = 0; i < norms.size(); ++i) {
    const std::string prefix = norm_prefix(static_cast<int>(i));
    for (const char* part : {"weight", "bias"}) {
      if (norms[i] != 'e') shapes[prefix + "AffineNorm." + part] = {config.hidden};
      if (norms[i] == 'a' || norms[i] == 'm') shapes.erase(prefix + "LayerNorm." + part);
    }
    if (norms[i] == 'm') shapes[prefix + "AffineNorm.slope"] = {1};
  }
  return shapes;
}

constexpr std::uint64_t kOffset = 14695981039346656037ULL;

}  // namespace

std::string fingerprint_of_text(const std::string& text) { return hex(fnv(kOffset, text.data(), text.size())); }

std::string fingerprint_of_model(const model::Model& model) {
  const std::string config = model::config_to_json(model.config);
  std::uint64_t state = fnv(kOffset, config.data(), config.size());
  for (const auto& [name, tensor] : model.tensors) {
    state = fnv(state, name.data(), name.size());
    state = fnv(state, reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size() * sizeof(float));
  }
  return hex(state);
}

std::string fingerprint_of_file(const std::filesystem::path& file) {
  const InputFile in(file);
  std::vector<char> block(1 << 20);
  std::uint64_t state = kOffset, at = 0;
  while (const std::size_t n = in.read_at(at, block.data(), block.size())) {
    state = fnv(state, block.data(), n);
    at += n;
  }
  return hex(state);
}

CheckpointStore::CheckpointStore(std::filesystem::path folder, std::string fingerprint)
    : folder_(std::move(folder)), fingerprint_(std::move(fingerprint)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error)
    throw Error(ErrorCode::file, "cannot create the folder '" + folder_.string() + "': " + error.message() +
                                     "; choose another one with --work");
}

CheckpointStore CheckpointStore::with(const std::string& more) const {
  return {folder_, fingerprint_of_text(fingerprint_ + "|" + more)};
}

std::filesystem::path CheckpointStore::path(const std::string& name) const { return folder_ / (name + ".safetensors"); }

void CheckpointStore::save_module(const std::string& name, const EncoderModule& module,
                                  const std::map<std::string, std::string>& notes) const {
  checkpoint::SafetensorsFile file;
  file.tensors = to_tensor_map(module.params);
  for (const auto& [key, value] : notes) file.metadata["note." + key] = value;
  std::string norms;
  for (NormMode mode : module.norms) norms += kNormLetters[static_cast<std::size_t>(mode)];
  file.metadata["fingerprint"] = fingerprint_;
  model::ModelConfig config = module.config;
  config.thex.reset();
  file.metadata["config"] = model::config_to_json(config);
  file.metadata["pooler"] = module.config.pooler ? "yes" : "no";
  file.metadata["softmax"] = model::name_of(module.softmax);
  file.metadata["norms"] = norms;
  checkpoint::write_safetensors(path(name), file, checkpoint::Dtype::f32);
}

std::optional<CheckpointStore::Loaded> CheckpointStore::load_module(const std::string& name,
                                                                    torch::Device device) const {
  if (!std::filesystem::exists(path(name))) return std::nullopt;
  checkpoint::SafetensorsFile file = checkpoint::read_safetensors(path(name));
  auto meta = [&](const char* key) {
    const auto it = file.metadata.find(key);
    return it == file.metadata.end() ? std::string() : it->second;
  };
  if (meta("fingerprint") != fingerprint_) return std::nullopt;
  const auto damaged = [&](const std::string& what) {
    return Error(ErrorCode::model, "damaged checkpoint '" + path(name).string() + "' (" + what + "): delete it");
  };
  const std::string norms = meta("norms"), softmax = meta("softmax");
  model::ModelConfig config = model::parse_config(meta("config"));
  config.pooler = meta("pooler") == "yes";
  if (norms.size() != static_cast<std::size_t>(2 * config.layers) ||
      norms.find_first_not_of(kNormLetters) != std::string::npos)
    throw damaged("norms");
  if (config.labels.empty()) throw damaged("no labels");  // modules are trained with their classifier
  const std::optional<model::Softmax> kind = model::softmax_named(softmax);
  if (!kind) throw damaged("softmax");
  // Before anything of the configuration's size is allocated.
  for (const auto& [tensor, shape] : required_tensors(config, norms, *kind)) {
    const auto it = file.tensors.find(tensor);
    if (it == file.tensors.end() || it->second.shape != shape) throw damaged(tensor);
  }
  Loaded loaded{EncoderModule(config, 0, device), {}};
  EncoderModule& m = loaded.module;
  m.params = from_tensor_map(file.tensors, device);
  m.softmax = *kind;
  for (std::size_t i = 0; i < norms.size(); ++i) m.norms[i] = static_cast<NormMode>(kNormLetters.find(norms[i]));
  for (const auto& [key, value] : file.metadata)
    if (key.rfind("note.", 0) == 0) loaded.notes[key.substr(5)] = value;
  return loaded;
}

void CheckpointStore::save_table(const std::string& name, const torch::Tensor& table) const {
  checkpoint::SafetensorsFile file;
  file.tensors = to_tensor_map({{"table", table}});
  file.metadata["fingerprint"] = fingerprint_;
  checkpoint::write_safetensors(path(name), file, checkpoint::Dtype::f32);
}

void CheckpointStore::save_tensors(const std::string& name, const Parameters& tensors,
                                   const std::map<std::string, std::string>& notes) const {
  checkpoint::SafetensorsFile file;
  file.tensors = to_tensor_map(tensors);
  for (const auto& [key, value] : notes) file.metadata["note." + key] = value;
  file.metadata["fingerprint"] = fingerprint_;
  checkpoint::write_safetensors(path(name), file, checkpoint::Dtype::f32);
}

std::optional<CheckpointStore::Tensors> CheckpointStore::load_tensors(const std::string& name) const {
  if (!std::filesystem::exists(path(name))) return std::nullopt;
  const checkpoint::SafetensorsFile file = checkpoint::read_safetensors(path(name));
  const auto it = file.metadata.find("fingerprint");
  if (it == file.metadata.end() || it->second != fingerprint_) return std::nullopt;
  Tensors out;
  for (const auto& [key, value] : file.metadata)
    if (key.rfind("note.", 0) == 0) out.notes[key.substr(5)] = value;
  out.tensors = from_tensor_map(file.tensors, torch::kCPU);
  return out;
}

void CheckpointStore::remove(const std::string& name) const {
  std::error_code ignored;
  std::filesystem::remove(path(name), ignored);
}

std::string note_text(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17g", value);
  return buffer;
}

double note_number(const std::map<std::string, std::string>& notes, const std::string& key) {
  const auto note = notes.find(key);
  double value = 0;
  if (note != notes.end()) {
    const char *const begin = note->second.data(), *const end = begin + note->second.size();
    const auto [at, error] = std::from_chars(begin, end, value);
    if (error == std::errc{} && at == end) return value;
  }
  throw Error(ErrorCode::model, "a damaged checkpoint has no number \"" + key + "\": delete the folder of checkpoints");
}

std::optional<torch::Tensor> CheckpointStore::load_table(const std::string& name) const {
  if (!std::filesystem::exists(path(name))) return std::nullopt;
  const checkpoint::SafetensorsFile file = checkpoint::read_safetensors(path(name));
  const auto it = file.metadata.find("fingerprint");
  if (it == file.metadata.end() || it->second != fingerprint_) return std::nullopt;
  const auto table = file.tensors.find("table");
  if (file.tensors.size() != 1 || table == file.tensors.end())
    throw Error(ErrorCode::model, "damaged checkpoint '" + path(name).string() + "' (no table): delete it");
  return from_tensor_map(file.tensors, torch::kCPU).at("table");
}

}  // namespace thex::convert
