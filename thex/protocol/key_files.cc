#include "thex/protocol/key_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "thex/base/file.h"
#include "thex/protocol/plan_sizes.h"

namespace thex::protocol {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'T', 'H', 'E', 'X', 'S', 'K', 'E', 'Y'};
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kChecksum = 32;

struct SecretFile {
  ~SecretFile() { ::sodium_memzero(seed.data(), seed.size()); }
  PlanFingerprint plan{};
  std::array<std::uint8_t, 16> ring{};
  ring::Seed seed{};
  KeyFingerprint keys{};
};
constexpr std::size_t kFileBytes = sizeof(kMagic) + 2 + 16 + 16 + 32 + 32 + kChecksum;

// Wipes a buffer that held the seed when it goes out of scope.
class Wiper {
 public:
  explicit Wiper(std::string& bytes) : bytes_(bytes) {}
  ~Wiper() { ::sodium_memzero(bytes_.data(), bytes_.size()); }

 private:
  std::string& bytes_;
};

template <typename Array>
void append(std::string& bytes, const Array& values) {
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size());
}

std::array<std::uint8_t, kChecksum> checksum(std::string_view bytes) {
  return fingerprint(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

std::string encode_secret_file(const SecretFile& file) {
  std::string bytes;
  bytes.reserve(kFileBytes);
  bytes.append(kMagic, sizeof(kMagic));
  bytes.push_back(static_cast<char>(kVersion & 0xff));
  bytes.push_back(static_cast<char>(kVersion >> 8));
  append(bytes, file.plan);
  append(bytes, file.ring);
  append(bytes, file.seed);
  append(bytes, file.keys);
  append(bytes, checksum(bytes));
  return bytes;
}

SecretFile parse_secret_file(const std::string& bytes, const fs::path& path) {
  if (bytes.size() < sizeof(kMagic) || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    throw Error(ErrorCode::keys,
                path.string() + " is not a key file of thex; make new keys with 'thex keygen --force'");
  }
  if (bytes.size() != kFileBytes) {
    throw Error(ErrorCode::keys,
                fmt::format("{} is damaged: {} bytes, expected {}; make new keys with 'thex keygen --force'",
                            path.string(), bytes.size(), kFileBytes));
  }
  const auto version = static_cast<unsigned>(static_cast<unsigned char>(bytes[8])) |
                       static_cast<unsigned>(static_cast<unsigned char>(bytes[9])) << 8;
  if (version != kVersion) {
    throw Error(ErrorCode::keys, fmt::format("{} has format version {}, this program reads version {}", path.string(),
                                             version, kVersion));
  }
  const auto expected = checksum(std::string_view(bytes).substr(0, kFileBytes - kChecksum));
  if (std::memcmp(expected.data(), bytes.data() + kFileBytes - kChecksum, kChecksum) != 0) {
    throw Error(ErrorCode::keys,
                path.string() + " is damaged: its checksum differs; make new keys with 'thex keygen --force'");
  }
  SecretFile file;
  const char* at = bytes.data() + sizeof(kMagic) + 2;
  const auto take = [&at](auto& to) {
    std::memcpy(to.data(), at, to.size());
    at += to.size();
  };
  take(file.plan);
  take(file.ring);
  take(file.seed);
  take(file.keys);
  return file;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw Error(ErrorCode::file, fmt::format("cannot make the folder {}: {}", folder.string(), std::strerror(errno)));
  }
}

// Held by one process at a time; ends with it.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (fd_ < 0) throw Error(ErrorCode::file, fmt::format("cannot open {}: {}", folder.string(), std::strerror(errno)));
    while (::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() { ::close(fd_); }

 private:
  int fd_;
};

bool has_keys(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "secret.key", error);
}

ClientKeys generate_locked(const encoder::InferencePlan& plan, const fs::path& folder) {
  ring::Prng prng;
  ckks::secret::SecretKey secret = ckks::secret::SecretKey::generate(plan.plan.context, prng);
  const KeyFingerprint keys = [&] {
    const ckks::Bytes bytes = [&] {
      const auto evaluation = ckks::secret::make_evaluation_keys(secret, plan.plan.keys, prng);
      return ckks::serialize(*plan.plan.context, evaluation);
    }();
    write_file_atomically(folder / "eval.keys", bytes, 0600);
    return fingerprint(bytes);
  }();
  std::string file = encode_secret_file({fingerprint(plan), plan.plan.context->fingerprint(), secret.seed(), keys});
  const Wiper wiper(file);
  write_file_atomically(folder / "secret.key", file, 0600);
  return {std::move(secret), keys, folder};
}

}  // namespace

ClientKeys generate_keys(const encoder::InferencePlan& plan, const fs::path& folder, bool replace) {
  make_folder(folder);
  const FolderLock lock(folder);
  if (!replace && has_keys(folder)) {
    throw Error(ErrorCode::keys, (folder / "secret.key").string() + " exists already; replace it with --force");
  }
  return generate_locked(plan, folder);
}

ClientKeys load_keys(const encoder::InferencePlan& plan, const fs::path& folder) {
  const fs::path path = folder / "secret.key";
  if (!has_keys(folder)) {
    throw Error(ErrorCode::keys,
                "no keys in " + folder.string() + "; make some with 'thex keygen -o " + folder.string() + "'");
  }
  std::string bytes = read_file(path, 4096);
  const Wiper wiper(bytes);
  const SecretFile file = parse_secret_file(bytes, path);
  if (file.plan != fingerprint(plan) || file.ring != plan.plan.context->fingerprint()) {
    throw Error(ErrorCode::keys, fmt::format("{} belongs to another model or --max-tokens (plan {}, this one is {})",
                                             path.string(), hex(file.plan), hex(fingerprint(plan))));
  }
  return {ckks::secret::SecretKey::from_seed(plan.plan.context, file.seed), file.keys, folder};
}

KeysAndOrigin load_or_generate_keys(const encoder::InferencePlan& plan, const fs::path& folder) {
  make_folder(folder);
  const FolderLock lock(folder);
  if (has_keys(folder)) return {load_keys(plan, folder), false};
  return {generate_locked(plan, folder), true};
}

std::string read_evaluation_keys(const encoder::InferencePlan& plan, const ClientKeys& keys) {
  const fs::path path = keys.folder / "eval.keys";
  std::error_code error;
  if (!fs::exists(path, error)) {
    throw Error(ErrorCode::keys, path.string() + " is missing; make new keys with 'thex keygen --force'");
  }
  const std::size_t size = key_bytes(plan);
  const auto found = fs::file_size(path, error);
  if (error || found != size) {
    throw Error(ErrorCode::keys,
                fmt::format("{} is damaged: {} bytes, expected {}; make new keys with 'thex keygen --force'",
                            path.string(), error ? 0 : found, size));
  }
  std::string bytes = read_file(path, size);
  if (fingerprint(std::as_bytes(std::span(bytes.data(), bytes.size()))) != keys.fingerprint) {
    throw Error(ErrorCode::keys, path.string() +
                                     " is damaged or does not belong to the secret.key beside it; make new keys with "
                                     "'thex keygen --force'");
  }
  return bytes;
}

fs::path default_key_folder(const encoder::InferencePlan& plan) {
  const char* own = std::getenv("THEX_HOME");
  const char* home = std::getenv("HOME");
  fs::path base;
  if (own && *own) {
    base = own;
  } else if (home && *home) {
    base = fs::path(home) / ".thex";
  } else {
    throw Error(ErrorCode::usage, "neither THEX_HOME nor HOME is set: name the key folder with --keys");
  }
  return base / "keys" / plan.fingerprint();
}

}  // namespace thex::protocol
