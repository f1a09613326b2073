// Whole-file reading with a size bound, and atomic whole-file writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace thex {

// The bytes of a regular file. Throws Error(file) when it cannot be opened or read, is not a regular file, or has more
// than `max_bytes` bytes (checked before anything is allocated).
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it to `path`: a reader sees the
// old contents or the new, never half of them, and a failure leaves `path` as it was. The temporary file has
// permissions `mode`, less what the umask takes away, from the start (0600 for secrets). Throws Error(file).
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes, unsigned mode = 0644);
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes, unsigned mode = 0644);

}  // namespace thex
