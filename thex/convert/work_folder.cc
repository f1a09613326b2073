#include "thex/convert/work_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/printable.h"

namespace thex::convert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = "checkpoints.txt";
constexpr const char* kLock = "lock";
constexpr std::uint64_t kLongestMark = 4096;

// Names that a run would write over.
bool is_taken(const fs::directory_entry& entry) {
  const fs::path name = entry.path().filename();
  return name == "config.json" || name == "plain" || name == "teacher" || name.extension() == ".safetensors";
}

void check_unmarked(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_taken(entry))
      throw Error(ErrorCode::usage, "the folder of checkpoints " + quoted(folder) + " holds " +
                                        quoted(entry.path().filename()) +
                                        " of something else or of an older version, which this one cannot go on from: "
                                        "choose another folder with --work, or delete it");
}

}  // namespace

bool holds_checkpoints(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / kMark, error);
}

WorkFolder::WorkFolder(fs::path folder, const std::string& owner) : folder_(std::move(folder)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error || !fs::is_directory(folder_))
    throw Error(ErrorCode::file, "cannot create the folder of checkpoints " + quoted(folder_) + ": " +
                                     (error ? error.message() : "something else has that name") +
                                     "; choose another one with --work");
  if (!holds_checkpoints(folder_)) check_unmarked(folder_);
  lock_ = ::open((folder_ / kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0)
    throw Error(ErrorCode::file, "cannot write to the folder of checkpoints " + quoted(folder_) + ": " +
                                     std::strerror(errno) + "; choose another one with --work");
  const auto refuse = [&](const std::string& why) {
    ::close(lock_);
    throw Error(ErrorCode::usage, "the folder of checkpoints " + quoted(folder_) + " " + why);
  };
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
    refuse("is used by another run: wait for it, or choose another folder with --work");
  const std::string mark = owner + "\n";
  if (!holds_checkpoints(folder_)) {
    write_file_atomically(folder_ / kMark, mark);
  } else if (read_file(folder_ / kMark, kLongestMark) != mark) {
    refuse("belongs to another model or command: choose another folder with --work, or delete it");
  }
}

WorkFolder::~WorkFolder() { ::close(lock_); }

}  // namespace thex::convert
