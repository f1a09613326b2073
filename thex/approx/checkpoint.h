// Checkpoints of training: a module between two stages, and tables such as a teacher's logits, each as one safetensors
// file written atomically. The metadata carries the configuration, the state of every nonlinearity and a fingerprint of
// what led to it; a checkpoint with another fingerprint is not used.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "thex/approx/encoder_module.h"

namespace thex::approx {

class CheckpointStore {
 public:
  // Creates the folder when it is missing. Throws Error(file).
  CheckpointStore(std::filesystem::path folder, std::string fingerprint);

  void save_module(const std::string& name, const EncoderModule& module,
                   const std::map<std::string, std::string>& notes) const;
  struct Loaded {
    EncoderModule module;
    std::map<std::string, std::string> notes;
    // A note as a number. Throws Error(model) when it is none.
    double number(const std::string& key) const;
  };
  // Nothing when there is no such checkpoint or it belongs to another fingerprint. Throws Error(model) for a damaged
  // one.
  std::optional<Loaded> load_module(const std::string& name, torch::Device device) const;

  void save_table(const std::string& name, const torch::Tensor& table) const;
  std::optional<torch::Tensor> load_table(const std::string& name) const;

  // The same folder with `more` added to the fingerprint.
  CheckpointStore with(const std::string& more) const;

 private:
  std::filesystem::path path(const std::string& name) const;
  std::filesystem::path folder_;
  std::string fingerprint_;
};

// A short stable hash (FNV-1a, hexadecimal) of a text or a file's bytes.
std::string fingerprint_of_text(const std::string& text);
std::string fingerprint_of_file(const std::filesystem::path& file);

}  // namespace thex::approx
