#include "thex/checkpoint/byte_source.h"

#include <cstring>
#include <fstream>
#include <memory>
#include <string>

#include "thex/base/error.h"

namespace thex::checkpoint {
namespace {

void check_end(std::uint64_t offset, std::uint64_t count, std::uint64_t size) {
  if (offset > size || count > size - offset) {
    throw Error(ErrorCode::model, std::to_string(count) + " bytes at byte " + std::to_string(offset) +
                                      " reach beyond the end at byte " + std::to_string(size));
  }
}

}  // namespace

ByteSource file_source(const std::filesystem::path& path) {
  const auto stream = std::make_shared<std::ifstream>(path, std::ios::binary);
  std::error_code error;
  if (!*stream || !std::filesystem::is_regular_file(path, error)) {
    throw Error(ErrorCode::file, "cannot open " + path.string());
  }
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (error) throw Error(ErrorCode::file, "cannot read " + path.string() + ": " + error.message());
  const auto read = [stream, size, name = path.string()](std::uint64_t offset, void* to, std::size_t count) {
    check_end(offset, count, size);
    if (count == 0) return;
    stream->seekg(static_cast<std::streamoff>(offset));
    stream->read(static_cast<char*>(to), static_cast<std::streamsize>(count));
    if (!*stream) throw Error(ErrorCode::file, "cannot read " + name + " at byte " + std::to_string(offset));
  };
  return {size, read};
}

ByteSource memory_source(std::span<const std::byte> bytes) {
  const auto read = [bytes](std::uint64_t offset, void* to, std::size_t count) {
    check_end(offset, count, bytes.size());
    if (count > 0) std::memcpy(to, bytes.data() + offset, count);
  };
  return {bytes.size(), read};
}

}  // namespace thex::checkpoint
