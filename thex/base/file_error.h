// The errors of the standard library's file functions as errors of this project.
#pragma once

#include <filesystem>
#include <string>

#include "thex/base/error.h"

namespace thex {

// Error(file) "cannot use PATH: Too many levels of symbolic links" for what std::filesystem throws where a path cannot
// be looked at: a name that is too long, a loop of links, a folder that may not be entered.
inline Error file_error(const std::filesystem::filesystem_error& error) {
  return Error(ErrorCode::file, "cannot use " + error.path1().string() + ": " + error.code().message());
}

}  // namespace thex
