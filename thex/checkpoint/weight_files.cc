#include "thex/checkpoint/weight_files.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/file_format.h"
#include "thex/base/json.h"
#include "thex/checkpoint/pytorch.h"

namespace thex::checkpoint {
namespace {

constexpr std::uint64_t kMaxIndexBytes = 8u << 20;
constexpr int kIndexDepth = 8;
constexpr std::size_t kMaxShards = 1000, kMaxFileName = 255;

struct Layout {
  const char* name;
  bool pytorch, sharded;
};
constexpr Layout kLayouts[] = {{"model.safetensors", false, false},
                               {"model.safetensors.index.json", false, true},
                               {"pytorch_model.bin", true, false},
                               {"pytorch_model.bin.index.json", true, true}};
// Weights of other libraries, to say what is wrong with a folder that has only these.
constexpr const char* kForeign[] = {"tf_model.h5", "flax_model.msgpack", "rust_model.ot", "model.onnx"};

// A name that stays inside of its folder.
bool plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFileName && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

std::map<std::string, std::vector<std::int64_t>> shapes_of(const std::filesystem::path& path, bool pytorch) {
  return pytorch ? read_pytorch_shapes(path) : read_safetensors_shapes(path);
}

// The first layout whose file the folder has, or the end.
const Layout* layout_of(const std::filesystem::path& folder) {
  std::error_code error;
  return std::find_if(std::begin(kLayouts), std::end(kLayouts),
                      [&](const Layout& candidate) { return std::filesystem::exists(folder / candidate.name, error); });
}

}  // namespace

bool WeightFiles::present(const std::filesystem::path& folder) { return layout_of(folder) != std::end(kLayouts); }

WeightFiles::WeightFiles(const std::filesystem::path& folder) : folder_(folder) {
  std::error_code error;
  const Layout* const layout = layout_of(folder);
  if (layout == std::end(kLayouts)) {
    std::string message = folder.string() + " has no model.safetensors and no pytorch_model.bin, whole or in shards";
    for (const Layout& other : kLayouts) {
      if (const auto target = broken_link(folder / other.name))
        message += "; " + std::string(other.name) + " is a link to " + target->string() + ", which is not there";
    }
    for (const char* const name : {"adapter_model.safetensors", "adapter_model.bin"}) {
      if (std::filesystem::exists(folder / name, error))
        message += "; " + std::string(name) + " is a part of a model alone: merge it into its base model and save that";
    }
    for (const char* const name : kForeign) {
      if (std::filesystem::exists(folder / name, error))
        message += "; " + std::string(name) + " is not read: save the model as safetensors";
    }
    throw Error(ErrorCode::model, message);
  }
  path_ = folder / layout->name;
  pytorch_ = layout->pytorch, sharded_ = layout->sharded;
  if (!sharded_) {
    shards_[layout->name];
    shapes_ = shapes_of(path_, pytorch_);
    return;
  }
  read_index();
  for (const auto& [file, names] : shards_) {
    if (!std::filesystem::exists(folder / file, error)) {
      const auto target = broken_link(folder / file);
      throw Error(ErrorCode::model, path_.string() + ": shard " + in_quotes(file) +
                                        (target ? " is a link to " + target->string() + ", which is not there"
                                                : " is missing from the folder"));
    }
    const auto shapes = shapes_of(folder / file, pytorch_);
    for (const std::string& name : names) {
      const auto it = shapes.find(name);
      if (it == shapes.end()) {
        throw Error(ErrorCode::model, path_.string() + ": tensor " + in_quotes(name) + " is not in " + in_quotes(file) +
                                          ", as the index says");
      }
      shapes_.insert(*it);
    }
  }
}

void WeightFiles::read_index() {
  const std::string where = path_.string();
  const std::string text = read_file(path_, kMaxIndexBytes);
  refuse_foreign_format(path_, text);
  const nlohmann::json index = parse_json(text, where, kIndexDepth);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object()) {
    throw Error(ErrorCode::model, where + ": field \"weight_map\" is missing or not an object of file names");
  }
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !plain_name(file.get_ref<const std::string&>())) {
      throw Error(ErrorCode::model, where + ": weight_map gives " + in_quotes(file.dump()) + " for tensor " +
                                        in_quotes(tensor) + ", expected the name of a file in the same folder");
    }
    shards_[file.get<std::string>()].push_back(tensor);
    if (shards_.size() > kMaxShards) {
      throw Error(ErrorCode::model, where + ": more than " + std::to_string(kMaxShards) + " shards");
    }
  }
  if (shards_.empty()) throw Error(ErrorCode::model, where + ": weight_map is empty");
}

std::vector<std::filesystem::path> WeightFiles::files() const {
  std::vector<std::filesystem::path> result;
  if (sharded_) result.push_back(path_);
  for (const auto& shard : shards_) result.push_back(folder_ / shard.first);
  return result;
}

void WeightFiles::visit(const Wanted& wanted, const TakeTensor& take) const {
  for (const auto& [file, names] : shards_) {
    const std::set<std::string> mapped(names.begin(), names.end());
    const auto is_wanted = [&](const std::string& name) {
      return (!sharded_ || mapped.contains(name)) && wanted(name);
    };
    if (sharded_ && std::none_of(names.begin(), names.end(), is_wanted)) continue;
    if (pytorch_) {
      visit_pytorch(folder_ / file, is_wanted, take);
    } else {
      visit_safetensors(folder_ / file, is_wanted, take);
    }
  }
}

}  // namespace thex::checkpoint
