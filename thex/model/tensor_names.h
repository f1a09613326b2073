// The names that checkpoints give to the tensors of one model, put right. Internal to this folder.
//
// The same encoder is stored under "embeddings...", "bert.embeddings...", DistilBERT's "distilbert.transformer...",
// with LayerNorm's older "gamma" and "beta", behind what a wrapper of torch leaves in every name ("module.",
// "_orig_mod."), or as a member of another module ("model.").
#pragma once

#include <map>
#include <string>
#include <vector>

namespace thex::model {

struct TensorNames {
  // Names in the file by canonical name, of the tensors that belong to a model.
  std::map<std::string, std::string> stored;
  // What was taken off the beginning of each, "model."; usually empty.
  std::string prefix;
};

// Throws Error(model) when two names mean one tensor, and when the names stand behind several prefixes, so that nobody
// can tell which of them is the model.
TensorNames canonical_names(const std::vector<std::string>& names);

}  // namespace thex::model
