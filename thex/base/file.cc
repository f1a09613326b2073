#include "thex/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "thex/base/error.h"

namespace thex {
namespace {

[[noreturn]] void fail(const std::string& action, const std::filesystem::path& path, int error) {
  throw Error(ErrorCode::file, "cannot " + action + " " + path.string() + ": " + std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  void open(const std::filesystem::path& path, int flags, unsigned mode) {
    fd_ = ::open(path.c_str(), flags, static_cast<mode_t>(mode));
  }
  int release() { return std::exchange(fd_, -1); }
  // Closes now and reports the error that a delayed write may have left; 0 when all is well.
  int close() { return ::close(std::exchange(fd_, -1)) == 0 ? 0 : errno; }

 private:
  int fd_;
};

void require_regular(const std::filesystem::path& path, mode_t mode) {
  if (S_ISREG(mode)) return;
  const char* const kind = S_ISDIR(mode)    ? "a folder"
                           : S_ISFIFO(mode) ? "a pipe"
                           : S_ISSOCK(mode) ? "a socket"
                           : S_ISCHR(mode)  ? "a device"
                           : S_ISBLK(mode)  ? "a device"
                                            : "something else";
  throw Error(ErrorCode::file, path.string() + " is " + kind + ", not a regular file");
}

// Removes the temporary file unless it was renamed to its place.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!kept_) ::unlink(path_.c_str());
  }
  void keep() { kept_ = true; }

 private:
  std::filesystem::path path_;
  bool kept_ = false;
};

// A name that no other writer of this machine uses at the moment.
std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  std::filesystem::path name = path;
  name += ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter++);
  return name;
}

}  // namespace

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  struct stat info {};
  // Opening a socket fails with a text that misleads, opening a pipe without O_NONBLOCK waits for a writer.
  if (::stat(path_.c_str(), &info) == 0) require_regular(path_, info.st_mode);
  Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) fail("open", path_, errno);
  if (::fstat(file.get(), &info) != 0) fail("read", path_, errno);
  require_regular(path_, info.st_mode);
  size_ = static_cast<std::uint64_t>(info.st_size);
  fd_ = file.release();
}

InputFile::~InputFile() { ::close(fd_); }

std::size_t InputFile::read_at(std::uint64_t offset, void* to, std::size_t count) const {
  std::size_t done = 0;
  while (done < count) {
    const ssize_t n = ::pread(fd_, static_cast<char*>(to) + done, count - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path_, errno);
    if (n == 0) break;  // the end, or the file shrank
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::string file_beginning(const std::filesystem::path& path, std::size_t count) {
  const InputFile file(path);
  std::string bytes(count, '\0');
  bytes.resize(file.read_at(0, bytes.data(), bytes.size()));
  return bytes;
}

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const InputFile file(path);
  if (file.size() > max_bytes) {
    throw Error(ErrorCode::file, path.string() + " has " + std::to_string(file.size()) + " bytes, at most " +
                                     std::to_string(max_bytes) + " are allowed here");
  }
  std::string bytes(file.size(), '\0');
  bytes.resize(file.read_at(0, bytes.data(), bytes.size()));
  return bytes;
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes, unsigned mode) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const std::filesystem::path temporary = temporary_name(path);
  // A file without a name, where the system has such: a process that is killed while it writes leaves nothing behind.
  Descriptor file(-1);
  if (::access("/proc/self/fd", X_OK) == 0) file.open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
  const bool nameless = file.get() >= 0;
  std::optional<TemporaryFile> cleanup;
  if (!nameless) {
    file.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file.get() < 0) fail("create", temporary, errno);
    cleanup.emplace(temporary);
  }
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path, errno);
    done += static_cast<std::size_t>(n);
  }
  if (::fsync(file.get()) != 0) fail("flush", path, errno);
  if (nameless) {
    const std::string self = "/proc/self/fd/" + std::to_string(file.get());
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, temporary.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      fail("create", temporary, errno);
    }
    cleanup.emplace(temporary);
  }
  if (const int error = file.close(); error != 0) fail("write", path, error);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("replace", path, errno);
  cleanup->keep();
  // The rename itself survives a power cut only when the folder is flushed too; some file systems refuse that, and then
  // the new contents are still in place.
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes, unsigned mode) {
  write_file_atomically(path, std::as_bytes(std::span(bytes.data(), bytes.size())), mode);
}

}  // namespace thex
