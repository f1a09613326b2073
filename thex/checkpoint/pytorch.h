// Reading pytorch_model.bin: a state dict as torch.save writes it since torch 1.6, a zip archive of one pickle and the
// raw storages of the tensors.
//
// Values are held as F32 in memory whatever the storage's type (float, half, bfloat16, double). Nothing of the file is
// executed (pickle.h), and sizes are bounded by the file's before anything is allocated. Tensors may be views of one
// storage (tied weights) and have any strides (transposed matrices). Checksums are not compared.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "thex/checkpoint/safetensors.h"

namespace thex::checkpoint {

// Throws Error(model) for anything that is not such a file, Error(file) when it cannot be read. `wanted` (optional)
// skips every tensor for which it returns false without reading its data. A tensor of another type (Long, Int, ..) is
// an error unless it is skipped; so are values that are not finite.
TensorMap read_pytorch(const std::filesystem::path& path, const Wanted& wanted = {});
TensorMap parse_pytorch(std::span<const std::byte> bytes, const Wanted& wanted = {});
// The same tensors one by one, in the order of the state dict. Throws as read_pytorch.
void visit_pytorch(const std::filesystem::path& path, const Wanted& wanted, const TakeTensor& take);

// Names and shapes from the pickle alone, of tensors of every type. Throws as read_pytorch.
std::map<std::string, std::vector<std::int64_t>> read_pytorch_shapes(const std::filesystem::path& path);

}  // namespace thex::checkpoint
