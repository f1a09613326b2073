#include "thex/approx/checkpoint.h"

#include <cstdio>
#include <fstream>
#include <vector>

#include "thex/base/error.h"

namespace thex::approx {
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

constexpr std::uint64_t kOffset = 14695981039346656037ULL;

}  // namespace

std::string fingerprint_of_text(const std::string& text) { return hex(fnv(kOffset, text.data(), text.size())); }

std::string fingerprint_of_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(ErrorCode::file, "cannot read '" + file.string() + "'");
  std::vector<char> block(1 << 20);
  std::uint64_t state = kOffset;
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0)
    state = fnv(state, block.data(), static_cast<std::size_t>(in.gcount()));
  return hex(state);
}

CheckpointStore::CheckpointStore(std::filesystem::path folder, std::string fingerprint)
    : folder_(std::move(folder)), fingerprint_(std::move(fingerprint)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) throw Error(ErrorCode::file, "cannot create the folder '" + folder_.string() + "': " + error.message());
}

CheckpointStore CheckpointStore::with(const std::string& more) const {
  return {folder_, fingerprint_of_text(fingerprint_ + "|" + more)};
}

std::filesystem::path CheckpointStore::path(const std::string& name) const { return folder_ / (name + ".safetensors"); }

void CheckpointStore::save_module(const std::string& name, const EncoderModule& module,
                                  const std::map<std::string, std::string>& notes) const {
  bert::SafetensorsFile file;
  file.tensors = to_tensor_map(module.params);
  for (const auto& [key, value] : notes) file.metadata["note." + key] = value;
  std::string norms;
  for (NormMode mode : module.norms) norms += mode == NormMode::exact ? 'e' : mode == NormMode::shadow ? 's' : 'a';
  file.metadata["fingerprint"] = fingerprint_;
  bert::ModelConfig config = module.config;
  config.thex.reset();
  file.metadata["config"] = bert::config_to_json(config);
  file.metadata["pooler"] = module.config.pooler ? "yes" : "no";
  file.metadata["softmax"] = module.softmax == bert::Softmax::exact ? "exact" : "estimation";
  file.metadata["norms"] = norms;
  bert::write_safetensors(path(name), file, bert::Dtype::f32);
}

std::optional<CheckpointStore::Loaded> CheckpointStore::load_module(const std::string& name,
                                                                    torch::Device device) const {
  if (!std::filesystem::exists(path(name))) return std::nullopt;
  bert::SafetensorsFile file = bert::read_safetensors(path(name));
  auto meta = [&](const char* key) {
    const auto it = file.metadata.find(key);
    return it == file.metadata.end() ? std::string() : it->second;
  };
  if (meta("fingerprint") != fingerprint_) return std::nullopt;
  const std::string norms = meta("norms");
  Loaded loaded{EncoderModule(bert::parse_config(meta("config")), 0, device), {}};
  EncoderModule& m = loaded.module;
  if (norms.size() != m.norms.size())
    throw Error(ErrorCode::model, "damaged checkpoint '" + path(name).string() + "': delete it");
  m.config.pooler = meta("pooler") == "yes";
  m.params = from_tensor_map(file.tensors, device);
  m.softmax = meta("softmax") == "exact" ? bert::Softmax::exact : bert::Softmax::estimation;
  for (std::size_t i = 0; i < norms.size(); ++i)
    m.norms[i] = norms[i] == 'e' ? NormMode::exact : norms[i] == 's' ? NormMode::shadow : NormMode::affine;
  for (const auto& [key, value] : file.metadata)
    if (key.rfind("note.", 0) == 0) loaded.notes[key.substr(5)] = value;
  return loaded;
}

void CheckpointStore::save_table(const std::string& name, const torch::Tensor& table) const {
  bert::SafetensorsFile file;
  file.tensors = to_tensor_map({{"table", table}});
  file.metadata["fingerprint"] = fingerprint_;
  bert::write_safetensors(path(name), file, bert::Dtype::f32);
}

std::optional<torch::Tensor> CheckpointStore::load_table(const std::string& name) const {
  if (!std::filesystem::exists(path(name))) return std::nullopt;
  const bert::SafetensorsFile file = bert::read_safetensors(path(name));
  const auto it = file.metadata.find("fingerprint");
  if (it == file.metadata.end() || it->second != fingerprint_) return std::nullopt;
  return from_tensor_map(file.tensors, torch::kCPU).at("table");
}

}  // namespace thex::approx
