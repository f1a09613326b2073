// Where a user's own files are kept: keys, measurements.
#pragma once

#include <filesystem>
#include <optional>

namespace thex {

// $THEX_HOME, or ~/.thex; nothing where neither THEX_HOME nor HOME is set. It may not exist.
std::optional<std::filesystem::path> home_folder();

}  // namespace thex
