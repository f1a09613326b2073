#include "thex/checkpoint/byte_source.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/file_format.h"

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
  const auto file = std::make_shared<const InputFile>(path);
  const auto read = [file](std::uint64_t offset, void* to, std::size_t count) {
    check_end(offset, count, file->size());
    if (file->read_at(offset, to, count) < count) {
      throw Error(ErrorCode::file, file->path().string() + " became shorter while it was read");
    }
  };
  return {file->size(), read};
}

void refuse_foreign(const ByteSource& source) {
  std::string beginning(static_cast<std::size_t>(std::min<std::uint64_t>(source.size, 512)), '\0');
  source.read(0, beginning.data(), beginning.size());
  if (const auto meaning = foreign_format(beginning)) throw Error(ErrorCode::model, "this is " + *meaning);
}

ByteSource memory_source(std::span<const std::byte> bytes) {
  const auto read = [bytes](std::uint64_t offset, void* to, std::size_t count) {
    check_end(offset, count, bytes.size());
    if (count > 0) std::memcpy(to, bytes.data() + offset, count);
  };
  return {bytes.size(), read};
}

}  // namespace thex::checkpoint
