// A file or a piece of memory that is read at positions, so that a reader of a large format touches only what it needs.
// Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "thex/base/error.h"

namespace thex::checkpoint {

struct ByteSource {
  std::uint64_t size = 0;
  // Copies bytes [offset, offset + count). Throws Error(model) beyond the end, Error(file) when reading fails.
  std::function<void(std::uint64_t offset, void* to, std::size_t count)> read;
};

// Throws Error(file) when it is not a regular file or cannot be opened.
ByteSource file_source(const std::filesystem::path& path);
// Throws Error(model) with what the bytes seem to be when that is another kind of file (base/file_format.h).
void refuse_foreign(const ByteSource& source);
// `bytes` must outlive the source.
ByteSource memory_source(std::span<const std::byte> bytes);

// action(), with the file's name before the message of an Error(model).
template <typename Action>
auto naming(const std::filesystem::path& path, Action&& action) {
  try {
    return action();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::model) throw;
    throw Error(ErrorCode::model, path.string() + ": " + e.what());
  }
}

}  // namespace thex::checkpoint
