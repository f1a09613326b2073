#include "thex/model/model_files.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "thex/base/error.h"

namespace thex::model {
namespace {

using Shape = std::vector<std::int64_t>;

// What a checkpoint without a "thex" section leaves to its tensors; `shapes` by canonical name.
void detect_parts(const std::map<std::string, Shape>& shapes, ModelConfig& config) {
  const auto any_begins = [&](std::string_view prefix) {
    const auto it = shapes.lower_bound(std::string(prefix));
    return it != shapes.end() && it->first.starts_with(prefix);
  };
  // A bundle of one side says nothing about the other.
  if (any_begins("embeddings.") && !shapes.contains("embeddings.token_type_embeddings.weight")) config.type_vocab = 0;
  if (!any_begins("encoder.")) return;
  config.pooler = shapes.contains("pooler.dense.weight") && !by_token(config.task);
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

// action(), with the weight file's name before the message of an Error(model) that does not begin with the folder's.
template <typename Action>
auto naming_files(const std::filesystem::path& folder, const std::filesystem::path& file, Action&& action) {
  try {
    return action();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::model) throw;
    const std::string message = e.what();
    throw Error(ErrorCode::model, message.starts_with(folder.string()) ? message : file.string() + ": " + message);
  }
}

}  // namespace

ModelFiles::ModelFiles(const std::filesystem::path& folder)
    : folder_(folder), config_(load_config(folder)), files_(folder) {
  naming_files(folder_, files_.path(), [&] {
    std::vector<std::string> names;
    for (const auto& [name, shape] : files_.shapes()) names.push_back(name);
    names_ = canonical_names(names);
    for (const auto& [canonical, name] : names_.stored) shapes_.emplace(canonical, files_.shapes().at(name));
    if (!config_.thex) detect_parts(shapes_, config_);
    refuse_more_layers(shapes_, config_.layers);
  });
}

bool ModelFiles::holds(Part part) const {
  const auto expected = expected_tensors(config_, part);
  return std::any_of(expected.begin(), expected.end(), [&](const auto& t) { return shapes_.contains(t.first); });
}

void ModelFiles::visit(Part part, const Take& take) const {
  naming_files(folder_, files_.path(), [&] {
    std::map<std::string, std::string> wanted;  // canonical names by those in the files
    for (const auto& [name, shape] : expected_tensors(config_, part)) {
      const auto it = shapes_.find(name);
      check_shape(name, it == shapes_.end() ? nullptr : &it->second, shape);
      wanted.emplace(names_.stored.at(name), name);
    }
    files_.visit([&](const std::string& name) { return wanted.contains(name); },
                 [&](const std::string& name, checkpoint::Tensor tensor) { take(wanted.at(name), std::move(tensor)); });
  });
}

}  // namespace thex::model
