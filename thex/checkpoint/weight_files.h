// The weights of a model folder, whatever files they are in: model.safetensors, its shards
// (model.safetensors.index.json), pytorch_model.bin, or its shards (pytorch_model.bin.index.json). The first of these
// that is there is read.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "thex/checkpoint/safetensors.h"

namespace thex::checkpoint {

class WeightFiles {
 public:
  // Finds the files and reads their names and shapes, no data. Throws Error(model) when the folder has none of them;
  // for an index that is damaged, names a file outside of the folder, one that is missing, or a tensor that its shard
  // lacks; and as read_safetensors_shapes and read_pytorch_shapes do.
  explicit WeightFiles(const std::filesystem::path& folder);

  // True when the folder has one of them.
  static bool present(const std::filesystem::path& folder);

  // What messages name: the file of all weights, or the index.
  const std::filesystem::path& path() const { return path_; }
  // The files to read, the index of shards first: what a fingerprint of the weights must cover.
  std::vector<std::filesystem::path> files() const;
  // Names and shapes as in the files, of tensors of every type.
  const std::map<std::string, std::vector<std::int64_t>>& shapes() const { return shapes_; }
  // The tensors for which `wanted` holds, from one file after the other, by position in it; one is in memory at a time
  // unless `take` keeps it.
  void visit(const Wanted& wanted, const TakeTensor& take) const;

 private:
  void read_index();

  std::filesystem::path folder_, path_;
  bool pytorch_ = false, sharded_ = false;
  std::map<std::string, std::vector<std::string>> shards_;  // tensors by file name; a single file has no list
  std::map<std::string, std::vector<std::int64_t>> shapes_;
};

}  // namespace thex::checkpoint
