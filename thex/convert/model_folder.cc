#include "thex/convert/model_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/printable.h"
#include "thex/convert/work_folder.h"

namespace thex::convert {
namespace {

namespace fs = std::filesystem;

// What a conversion writes into a model folder, and what it would read of one that stands there.
constexpr const char* kWritten[] = {"config.json",           "model.safetensors", "vocab.txt",
                                    "tokenizer_config.json", "report.json",       "report.html"};

bool is_written(const std::string& name) {
  return std::find(std::begin(kWritten), std::end(kWritten), name) != std::end(kWritten);
}

// Files that people put beside a model and that no reader of models looks at.
bool is_kept(const fs::path& name) { return name.extension() == ".md" || name.string().starts_with("LICENSE"); }

// Without links, "." and "..", also where the last parts do not exist yet.
fs::path resolved(const fs::path& path) {
  std::error_code error;
  fs::path full = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) throw Error(ErrorCode::file, "cannot follow the path " + quoted(path) + ": " + error.message());
  if (!full.has_filename()) full = full.parent_path();
  return full;
}

bool same_place(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return a == b || fs::equivalent(a, b, error);
}

// Whether `path` is `folder` or lies in it.
bool holds(const fs::path& folder, const fs::path& path) {
  for (fs::path at = path;; at = at.parent_path()) {
    if (same_place(at, folder)) return true;
    if (at == at.parent_path()) return false;
  }
}

// The input itself and, of a folder, what its entries are links to.
std::vector<fs::path> places_of(const fs::path& input) {
  std::vector<fs::path> places = {resolved(input)};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(input, error))
    if (entry.is_symlink(error)) places.push_back(resolved(entry.path()));
  return places;
}

void refuse_inputs(const char* option, const fs::path& path, const std::vector<InputPath>& inputs) {
  const fs::path folder = resolved(path);
  for (const InputPath& input : inputs) {
    if (input.path.empty()) continue;
    for (const fs::path& place : places_of(input.path))
      if (holds(folder, place))
        throw Error(ErrorCode::usage, std::string(option) + " " + quoted(path) +
                                          (same_place(folder, resolved(input.path)) ? " is " : " holds ") + input.what +
                                          " " + quoted(input.path) + ", which is only read: choose another folder");
  }
}

bool is_empty_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error) && fs::is_empty(path, error) && !error;
}

// Whether `out` may be put where something stands already; see check_output.
void check_replacement(const fs::path& out, bool force) {
  std::error_code error;
  const fs::path full = resolved(out);
  if (!fs::exists(fs::symlink_status(full, error)) || is_empty_folder(full)) return;
  if (!fs::is_directory(full, error))
    throw Error(ErrorCode::file, "-o " + quoted(out) + " exists and is no folder: choose another name");
  for (const auto& entry : fs::directory_iterator(full)) {
    const fs::path name = entry.path().filename();
    if (!fs::exists(full / "config.json") || !(is_written(name.string()) || is_kept(name)) || entry.is_directory())
      throw Error(ErrorCode::usage, "-o " + quoted(out) + " exists and holds " + quoted(name) +
                                        ", which no conversion wrote: choose another folder");
  }
  if (!force)
    throw Error(ErrorCode::usage,
                "-o " + quoted(out) + " holds a model already: choose another folder, or replace it with --force");
}

// Nothing is trained for a folder that cannot be made.
void check_writable(const fs::path& out) {
  std::error_code error;
  fs::path parent = resolved(out).parent_path();
  while (!fs::exists(parent, error) && parent != parent.parent_path()) parent = parent.parent_path();
  if (!fs::is_directory(parent, error) || ::access(parent.c_str(), W_OK | X_OK) != 0)
    throw Error(ErrorCode::file, "cannot write -o " + quoted(out) + ": " + quoted(parent) +
                                     " is no folder that may be written to; choose another place");
}

// Gives `fresh` the name of `old` and the other way round, in one step where the file system can.
void exchange(const fs::path& fresh, const fs::path& old) {
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, old.c_str(), RENAME_EXCHANGE) == 0) return;
  // In two steps there is a moment without a model, but none with half of one.
  const fs::path aside = fresh.string() + ".old";
  fs::rename(old, aside);
  fs::rename(fresh, old);
  fs::rename(aside, fresh);
}

void keep_documents(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(from))
    if (is_kept(entry.path().filename()) && entry.is_regular_file())
      fs::copy_file(entry.path(), to / entry.path().filename(), fs::copy_options::skip_existing);
}

}  // namespace

void check_output(const OutputPaths& paths, const std::vector<InputPath>& inputs) {
  refuse_inputs("-o", paths.out, inputs);
  refuse_inputs("--work", paths.work, inputs);
  const fs::path out = resolved(paths.out), work = resolved(paths.work);
  if (holds(work, out) || holds(out, work))
    throw Error(ErrorCode::usage, "-o " + quoted(paths.out) + " and the folder of checkpoints " + quoted(paths.work) +
                                      " lie in each other: choose another folder with --work");
  for (fs::path at = out; at != at.parent_path(); at = at.parent_path())
    if (holds_checkpoints(at))
      throw Error(ErrorCode::usage, "-o " + quoted(paths.out) + " lies in " + quoted(at) +
                                        ", a folder of checkpoints: choose another folder");
  check_replacement(paths.out, paths.force);
  check_writable(paths.out);
  check_writable(paths.work);
}

void write_model_folder(const model::Model& model, const fs::path& vocab, const fs::path& out,
                        const std::map<std::string, std::string>& reports, checkpoint::Dtype dtype, bool replace) {
  check_replacement(out, replace);
  const fs::path full = resolved(out);
  const fs::path temporary = full.parent_path() / ("." + full.filename().string() + ".part" + std::to_string(getpid()));
  std::error_code error;
  try {
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    model::save_model(model, temporary, vocab, dtype);
    for (const auto& [name, text] : reports) write_file_atomically(temporary / name, text);
    if (fs::exists(full) && !is_empty_folder(full)) {
      keep_documents(full, temporary);
      exchange(temporary, full);
      fs::remove_all(temporary);
    } else {
      fs::rename(temporary, full);  // takes the place of an empty folder
    }
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(temporary, error);
    throw Error(ErrorCode::file,
                std::string("cannot write the model folder: ") + e.what() +
                    "; when the place has room start again with the same arguments, which goes on from the "
                    "checkpoints");
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
}

}  // namespace thex::convert
