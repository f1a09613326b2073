// Reading files that come from outside, whole with a size bound or at positions, and atomic whole-file writing.
//
// Only regular files are opened for reading. A named pipe would keep its reader waiting for ever, a device never ends,
// and reading from either may have effects; all of them are refused, with what they are, without waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace thex {

class InputFile {
 public:
  // Throws Error(file) when it cannot be opened or is not a regular file.
  explicit InputFile(std::filesystem::path path);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  const std::filesystem::path& path() const { return path_; }
  // Bytes when it was opened.
  std::uint64_t size() const { return size_; }
  // Copies up to `count` bytes from byte `offset` on; the number of bytes is smaller only at the end of the file. May
  // be called from several threads. Throws Error(file).
  std::size_t read_at(std::uint64_t offset, void* to, std::size_t count) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

// Up to `count` bytes from the beginning of a regular file: what tells its format. Throws Error(file) as InputFile
// does.
std::string file_beginning(const std::filesystem::path& path, std::size_t count = 512);

// The bytes of a regular file. Throws Error(file) when it cannot be opened or read, is not a regular file, or has more
// than `max_bytes` bytes (checked before anything is allocated).
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it to `path`: a reader sees the
// old contents or the new, never half of them, and a failure leaves `path` as it was. The temporary file has
// permissions `mode`, less what the umask takes away, from the start (0600 for secrets). Throws Error(file).
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes, unsigned mode = 0644);
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes, unsigned mode = 0644);

}  // namespace thex
