#include "thex/client/key_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "thex/base/clock.h"
#include "thex/base/error.h"

namespace thex::client {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOthersWrite = 022, kOthersRead = 044;

struct stat look_at(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    throw Error(ErrorCode::file, fmt::format("cannot look at {}: {}", path.string(), std::strerror(errno)));
  return info;
}

// What stands in the place of a file and is none: nobody should change the mode of a device for that.
void require_file(const fs::path& path) {
  if (!S_ISREG(look_at(path).st_mode))
    throw Error(ErrorCode::file, path.string() + " is no file, but a folder, a pipe or a device: move it away");
}

// `path`, the folder or a file in it: of this user, and closed to others as far as `forbidden` goes.
void check(const fs::path& path, const fs::path& folder, mode_t forbidden, const char* what, const char* remedy) {
  const struct stat info = look_at(path);
  if (info.st_uid != ::geteuid()) {
    throw Error(
        ErrorCode::keys,
        fmt::format("{} belongs to another user ({}; this is {}): name a folder of your own with --keys, or make "
                    "new keys with 'thex keygen -o FOLDER'",
                    path.string(), info.st_uid, ::geteuid()));
  }
  if ((info.st_mode & forbidden) != 0) {
    throw Error(
        ErrorCode::keys,
        fmt::format("{} {} others (mode {:o}): 'chmod {} {}'; if somebody may have used that, {}", path.string(), what,
                    info.st_mode & 07777, remedy, path.string(), how_to_replace_keys(folder)));
  }
}

// The process that holds a lock on the file behind `fd`, as /proc/locks tells; empty when it does not.
std::string holder(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return {};
  const std::string file =
      fmt::format("{:02x}:{:02x}:{}", major(info.st_dev), minor(info.st_dev), static_cast<unsigned long>(info.st_ino));
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream fields(line);
    std::string number, kind, mode, access, pid, where;
    if (fields >> number >> kind >> mode >> access >> pid >> where && kind == "FLOCK" && where == file)
      return "process " + pid;
  }
  return {};
}

}  // namespace

void make_key_folder(const fs::path& folder) {
  fs::path path;
  for (const fs::path& part : folder) {
    path /= part;
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) continue;
    const int error = errno;
    struct stat info {};  // it may be there although it could not be made: a read-only disk, another's folder
    if (::stat(path.c_str(), &info) == 0) continue;
    throw Error(ErrorCode::file, fmt::format("cannot make the folder {}: {}", path.string(), std::strerror(error)));
  }
  check_key_folder(folder);
}

void check_key_folder(const fs::path& folder) {
  const mode_t mode = look_at(folder).st_mode;
  if (!S_ISDIR(mode)) throw Error(ErrorCode::file, folder.string() + " is not a folder");
  // To close such a folder to the others, as check() would say, breaks the machine.
  if ((mode & S_ISVTX) != 0 && (mode & kOthersWrite) != 0)
    throw Error(ErrorCode::keys,
                fmt::format("{} is a folder that all users share (mode {:o}): keys need one of their own, "
                            "for example {}",
                            folder.string(), mode & 07777, (folder / "thex-keys").string()));
  check(folder, folder, kOthersWrite, "can be changed by", "go-w");
}

void check_key_file(const fs::path& path) {
  require_file(path);
  check(path, path.parent_path(), kOthersWrite, "can be changed by", "go-w");
}

void check_secret_file(const fs::path& path) {
  require_file(path);
  check(path, path.parent_path(), kOthersWrite | kOthersRead, "is open to", "600");
}

std::string how_to_replace_keys(const fs::path& folder) {
  return fmt::format(
      "make new keys with 'thex keygen --force -o {}' and the same --model, --max-tokens, --protocol and --network",
      folder.string());
}

bool is_there(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT) return false;
  throw Error(ErrorCode::file, fmt::format("cannot look at {}: {}", path.string(), std::strerror(errno)));
}

FolderLock::FolderLock(const fs::path& folder, const Notice& notice, std::chrono::milliseconds longest_wait)
    : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (fd_ < 0) throw Error(ErrorCode::file, fmt::format("cannot open {}: {}", folder.string(), std::strerror(errno)));
  const Time start = Clock::now();
  bool told = false;
  while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error == EINTR) continue;
    const std::string other = holder(fd_);
    const std::string who = other.empty() ? "another process" : other;
    if (error != EWOULDBLOCK || Clock::now() - start > longest_wait) {
      ::close(fd_);
      if (error != EWOULDBLOCK)
        throw Error(ErrorCode::file, fmt::format("cannot lock {}: {}", folder.string(), std::strerror(error)));
      throw Error(ErrorCode::keys,
                  fmt::format("{} has held {} for {} s: end it, or name another folder with --keys", who,
                              folder.string(), std::chrono::duration_cast<std::chrono::seconds>(longest_wait).count()));
    }
    if (notice && !told) notice(fmt::format("waiting for {}, which holds {}", who, folder.string()));
    told = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

FolderLock::~FolderLock() { ::close(fd_); }

}  // namespace thex::client
