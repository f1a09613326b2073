// Checkpoints of training: a module between two stages, and tables such as a teacher's logits, each as one safetensors
// file written atomically. The metadata carries the configuration, the state of every nonlinearity and a fingerprint of
// what led to it; a checkpoint with another fingerprint is not used.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "thex/convert/encoder_module.h"

namespace thex::convert {

// A note as a number. Throws Error(model) when there is none.
double note_number(const std::map<std::string, std::string>& notes, const std::string& key);
// The text from which note_number gives exactly `value`.
std::string note_text(double value);

class CheckpointStore {
 public:
  // Creates the folder when it is missing. Throws Error(file).
  CheckpointStore(std::filesystem::path folder, std::string fingerprint);

  void save_module(const std::string& name, const EncoderModule& module,
                   const std::map<std::string, std::string>& notes) const;
  struct Loaded {
    EncoderModule module;
    std::map<std::string, std::string> notes;
    double number(const std::string& key) const { return note_number(notes, key); }
  };
  // Nothing when there is no such checkpoint or it belongs to another fingerprint. Throws Error(model) for a damaged
  // one.
  std::optional<Loaded> load_module(const std::string& name, torch::Device device) const;

  // Any tensors with notes, such as the state of a training between two epochs.
  void save_tensors(const std::string& name, const Parameters& tensors,
                    const std::map<std::string, std::string>& notes) const;
  struct Tensors {
    Parameters tensors;  // on the CPU
    std::map<std::string, std::string> notes;
  };
  std::optional<Tensors> load_tensors(const std::string& name) const;
  // Nothing happens when there is none.
  void remove(const std::string& name) const;

  void save_table(const std::string& name, const torch::Tensor& table) const;
  std::optional<torch::Tensor> load_table(const std::string& name) const;

  const std::filesystem::path& folder() const { return folder_; }

  // The same folder with `more` added to the fingerprint.
  CheckpointStore with(const std::string& more) const;

 private:
  std::filesystem::path path(const std::string& name) const;
  std::filesystem::path folder_;
  std::string fingerprint_;
};

// A short stable hash (FNV-1a, hexadecimal) of a text or a file's bytes.
std::string fingerprint_of_text(const std::string& text);
std::string fingerprint_of_model(const model::Model& model);  // configuration, names and values
std::string fingerprint_of_file(const std::filesystem::path& file);

}  // namespace thex::convert
