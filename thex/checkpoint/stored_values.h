// Weights as checkpoints store them, as float values. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thex/checkpoint/byte_source.h"

namespace thex::checkpoint {

enum class StoredType { f16, bf16, f32, f64 };

inline std::uint64_t width(StoredType type) { return type == StoredType::f64 ? 8 : type == StoredType::f32 ? 4 : 2; }

// `count` little-endian values that begin at byte `offset`. Throws Error(model) as `source` does, and for a value that
// is not finite as a float; `what` names the tensor in that message.
std::vector<float> read_values(const ByteSource& source, std::uint64_t offset, std::uint64_t count, StoredType type,
                               const std::string& what);

}  // namespace thex::checkpoint
