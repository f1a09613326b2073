#include "thex/base/home_folder.h"

#include <cstdlib>

namespace thex {

std::optional<std::filesystem::path> home_folder() {
  if (const char* own = std::getenv("THEX_HOME"); own != nullptr && *own != 0) return own;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != 0)
    return std::filesystem::path(home) / ".thex";
  return std::nullopt;
}

}  // namespace thex
