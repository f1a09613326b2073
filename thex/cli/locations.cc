#include "thex/cli/locations.h"

#include <unistd.h>

#include <cstdlib>
#include <system_error>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/file_format.h"

namespace thex::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEmbedded = "bert-tiny-sst2";

fs::path executable_folder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : self.parent_path();
}

}  // namespace

fs::path find_model(const std::string& option) {
  std::error_code error;
  std::string named = option;
  if (named.empty()) {
    const char* environment = std::getenv("THEX_MODEL");
    if (environment) named = environment;
  }
  if (!named.empty()) {
    const bool folder = fs::is_directory(named, error);
    if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
      throw Error(ErrorCode::file, "cannot look at " + named + ": " + error.message());
    if (!folder)
      throw Error(ErrorCode::model, "no model folder at " + named +
                                        ": name one with --model or $THEX_MODEL, or neither for the embedded model");
    const fs::path config = fs::path(named) / "config.json";
    if (!fs::exists(config, error)) {
      if (const auto target = broken_link(config))
        throw Error(ErrorCode::model, config.string() + " is a link to " + target->string() +
                                          ", which is not there: copy the model's files themselves");
      if (error) throw Error(ErrorCode::file, "cannot look at " + config.string() + ": " + error.message());
      throw Error(
          ErrorCode::model,
          named + " is not a model folder: it has no config.json; name the folder that holds the model's files");
    }
    return named;
  }
  const fs::path here = executable_folder();
  std::vector<fs::path> candidates;
  if (!here.empty()) {
    candidates.push_back(here / ".." / "models" / kEmbedded);
    candidates.push_back(here / ".." / "share" / "thex" / "models" / kEmbedded);
    candidates.push_back(here / ".." / ".." / "share" / "thex" / "models" / kEmbedded);  // of PREFIX/libexec/thex
  }
  candidates.push_back(fs::path(THEX_SOURCE_DIR) / "models" / kEmbedded);
  for (const fs::path& candidate : candidates) {
    if (fs::exists(candidate / "config.json", error)) return fs::weakly_canonical(candidate, error);
  }
  throw Error(ErrorCode::model,
              std::string("the embedded model models/") + kEmbedded + " is not installed; name a model with --model");
}

fs::path find_program(const std::string& name) {
  const fs::path here = executable_folder();
  for (const fs::path& candidate : {here / name, here / ".." / "libexec" / "thex" / name}) {
    if (!here.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

}  // namespace thex::cli
