// Writing a model folder: where it may go, and all of it at once.
//
// A folder that stands already is replaced only when the user says so, never when a command reads from it, and by one
// exchange of names: whoever looks, and whatever ends the program, there is the old model or the new one.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "thex/model/model.h"

namespace thex::convert {

// Something that a command reads and must not write to, with what it is in a sentence: "the model", "the training
// data". An empty path stands for nothing.
struct InputPath {
  std::string what;
  std::filesystem::path path;
};

// Where a command writes. `force`: an `out` that holds a model already may be replaced.
struct OutputPaths {
  std::filesystem::path out, work;
  bool force = false;
};

// Refuses, before any work is done, outputs that would take the place of something else. Links and relative paths are
// followed. Throws Error(usage) when `out` or `work` is an input or holds one (files that an input's folder links to
// included), when one of them lies in the other, when `out` lies in a folder of checkpoints or exists without `force`,
// or when it holds files that no conversion writes; Error(file) when it is no folder or its parent cannot be written
// to.
void check_output(const OutputPaths& paths, const std::vector<InputPath>& inputs);

// Writes the model under a temporary name beside `out` and gives it that name once it is complete. An `out` that holds
// a model is replaced with `replace`, otherwise Error(usage); its *.md and LICENSE files are kept. `reports`: the texts
// of more files by name. Throws Error(file), and Error(model) as model::save_model does.
void write_model_folder(const model::Model& model, const std::filesystem::path& vocab, const std::filesystem::path& out,
                        const std::map<std::string, std::string>& reports, checkpoint::Dtype dtype, bool replace);

}  // namespace thex::convert
