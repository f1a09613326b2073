// Reading and writing the safetensors format (https://github.com/huggingface/safetensors, version 0.4):
// an 8-byte little-endian header length, a JSON header, then the raw little-endian tensor bytes.
//
// Values are held as F32 in memory whatever the file's type (F32, F16, BF16, F64). Reading is hostile-safe: header and
// tensor sizes are bounded by the file size before anything is allocated, offsets must tile the data exactly,
// products of dimensions are checked for overflow, duplicate names and non-finite values are errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace thex::checkpoint {

struct Tensor {
  std::vector<std::int64_t> shape;  // row-major; a Linear weight is [out, in]
  std::vector<float> data;          // product(shape) values
};

using TensorMap = std::map<std::string, Tensor>;
using Wanted = std::function<bool(const std::string& name)>;
using TakeTensor = std::function<void(const std::string& name, Tensor tensor)>;

enum class Dtype { f32, f16, bf16 };

struct SafetensorsFile {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;
};

// The largest header that is read; BERT-large needs about 60 kB.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 8u << 20;

// Throws Error(model) for anything that is not a well-formed file, Error(file) when it cannot be read.
// `wanted` (optional) skips every tensor for which it returns false without reading its data. A tensor of another type
// (I64, U8, ...) is an error unless it is skipped.
SafetensorsFile read_safetensors(const std::filesystem::path& path, const Wanted& wanted = {});
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const Wanted& wanted = {});
// The same tensors one by one, by position in the file. Throws as read_safetensors.
void visit_safetensors(const std::filesystem::path& path, const Wanted& wanted, const TakeTensor& take);

// Names and shapes from the header alone, of tensors of every type. Throws as read_safetensors.
std::map<std::string, std::vector<std::int64_t>> read_safetensors_shapes(const std::filesystem::path& path);

// Written to a temporary file beside `path`, flushed, then renamed: a reader never sees half a file. Values are rounded
// to nearest, ties to even. Throws Error(usage) for a tensor whose shape and data disagree or a value that is not
// finite in `dtype`, Error(file) when the file cannot be written.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file, Dtype dtype);

}  // namespace thex::checkpoint
