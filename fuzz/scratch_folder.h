// Shared by the fuzz targets of files: a folder of this process, in memory where the system has such a place.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>

#include "tests/support/temporary_folder.h"

namespace thex::fuzz {

class ScratchFolder : public TemporaryFolder {
 public:
  ScratchFolder() : TemporaryFolder(memory()) {}

  std::filesystem::path write(const char* name, std::string_view bytes) const {
    const std::filesystem::path file_path = path() / name;
    std::FILE* const file = std::fopen(file_path.c_str(), "wb");
    if (!file || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() || std::fclose(file) != 0)
      std::abort();
    return file_path;
  }

 private:
  static std::filesystem::path memory() {
    const std::filesystem::path memory = "/dev/shm";
    std::error_code error;
    return std::filesystem::is_directory(memory, error) ? memory : std::filesystem::temp_directory_path();
  }
};

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace thex::fuzz
