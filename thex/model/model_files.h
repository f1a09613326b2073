// The files of a model folder before any tensor is read: the configuration, and names and shapes of the weights,
// compared with one another. Tensors are then taken one by one, so that a process that needs half of a model, or only
// its digest, never holds more.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "thex/checkpoint/weight_files.h"
#include "thex/model/model.h"
#include "thex/model/tensor_names.h"

namespace thex::model {

class ModelFiles {
 public:
  // Reads config.json, the tokenizer's settings, and the headers of the weight files. Throws Error(model), Error(file)
  // as load_model does.
  explicit ModelFiles(const std::filesystem::path& folder);

  // As load_model's: without a "thex" section, with what the tensors say about token types, pooler and classifier.
  const ModelConfig& config() const { return config_; }
  // What was taken off the beginning of every name, "module."; usually empty.
  const std::string& prefix() const { return names_.prefix; }
  // True when any tensor of that side is there; a bundle holds those of one.
  bool holds(Part part) const;

  using Take = std::function<void(const std::string& name, checkpoint::Tensor tensor)>;
  // Every tensor of that part by its canonical name, in the order of the files. Throws Error(model) before any data is
  // read when one is missing or has another shape, and for damaged data; Error(file).
  void visit(Part part, const Take& take) const;

 private:
  std::filesystem::path folder_;
  ModelConfig config_;
  checkpoint::WeightFiles files_;
  TensorNames names_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;  // by canonical name
};

}  // namespace thex::model
