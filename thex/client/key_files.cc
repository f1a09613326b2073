#include "thex/client/key_files.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>

#include "thex/base/file.h"
#include "thex/base/hex.h"
#include "thex/base/home_folder.h"
#include "thex/client/key_folder.h"
#include "thex/protocol/message_sizes.h"

namespace thex::client {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'T', 'H', 'E', 'X', 'S', 'K', 'E', 'Y'};
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kChecksum = 32;

struct SecretFile {
  ~SecretFile() { ::sodium_memzero(seed.data(), seed.size()); }
  protocol::PlanFingerprint plan{};
  std::array<std::uint8_t, 16> ring{};
  ring::Seed seed{};
  protocol::KeyFingerprint keys{};
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
  return protocol::fingerprint(std::as_bytes(std::span(bytes.data(), bytes.size())));
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
                path.string() + " is not a key file of thex; " + how_to_replace_keys(path.parent_path()));
  }
  if (bytes.size() != kFileBytes) {
    throw Error(ErrorCode::keys, fmt::format("{} is damaged: {} bytes, expected {}; {}", path.string(), bytes.size(),
                                             kFileBytes, how_to_replace_keys(path.parent_path())));
  }
  const auto version = static_cast<unsigned>(static_cast<unsigned char>(bytes[8])) |
                       static_cast<unsigned>(static_cast<unsigned char>(bytes[9])) << 8;
  if (version != kVersion) {
    throw Error(ErrorCode::keys,
                fmt::format("{} has format version {}, this program reads version {}; {}", path.string(), version,
                            kVersion, how_to_replace_keys(path.parent_path())));
  }
  const auto expected = checksum(std::string_view(bytes).substr(0, kFileBytes - kChecksum));
  if (std::memcmp(expected.data(), bytes.data() + kFileBytes - kChecksum, kChecksum) != 0) {
    throw Error(ErrorCode::keys,
                path.string() + " is damaged: its checksum differs; " + how_to_replace_keys(path.parent_path()));
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

// `secret.key` and `eval.keys` are replaced as one: the new evaluation keys wait under this name until the new secret
// key is in its place. Whoever finds them afterwards, because that process was killed in between, puts them in theirs.
constexpr const char* kStaged = "eval.keys.new";

std::string read_key_file(const fs::path& path, std::size_t size) {
  check_key_file(path);
  std::error_code error;
  const auto found = fs::file_size(path, error);
  if (!error && found == size) return read_file(path, size);
  throw Error(ErrorCode::keys, fmt::format("{} is damaged: {} bytes, expected {}; {}", path.string(), error ? 0 : found,
                                           size, how_to_replace_keys(path.parent_path())));
}

protocol::KeyFingerprint fingerprint_of(const std::string& bytes) {
  return protocol::fingerprint(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

// Those that the secret key of the folder wants as it is now.
std::optional<protocol::KeyFingerprint> wanted_now(const fs::path& folder) {
  try {
    std::string bytes = read_file(folder / "secret.key", 4096);
    const Wiper wiper(bytes);
    return parse_secret_file(bytes, folder / "secret.key").keys;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The evaluation keys that belong to a secret key.
std::string read_evaluation_keys(const fs::path& folder, std::size_t size, const protocol::KeyFingerprint& wanted) {
  const fs::path path = folder / "eval.keys", staged = folder / kStaged;
  if (is_there(staged)) {
    try {
      std::string bytes = read_key_file(staged, size);
      if (fingerprint_of(bytes) == wanted) {
        std::error_code ignored;  // on a read-only disk they stay where they are
        fs::rename(staged, path, ignored);
        return bytes;
      }
    } catch (const Error&) {
      // Left by a process that was killed before it replaced anything.
    }
  }
  if (!is_there(path)) {
    throw Error(ErrorCode::keys, path.string() + " is missing; " + how_to_replace_keys(folder));
  }
  std::string bytes = read_key_file(path, size);
  if (fingerprint_of(bytes) != wanted) {
    if (const auto now = wanted_now(folder); now && *now != wanted)
      throw Error(ErrorCode::keys, "the keys in " + folder.string() + " were replaced just now; start again");
    throw Error(ErrorCode::keys, path.string() + " is damaged or does not belong to the secret.key beside it; " +
                                     how_to_replace_keys(folder));
  }
  return bytes;
}

ClientKeys with_source(ckks::secret::SecretKey secret, const protocol::KeyFingerprint& fingerprint,
                       const encoder::InferencePlan& plan, const fs::path& folder) {
  const std::size_t size = protocol::key_bytes(plan);
  return {std::move(secret), fingerprint, [=] { return read_evaluation_keys(folder, size, fingerprint); }};
}

// What stands in the place of a key file and is none: it is not replaced, and told before keys are made in vain.
void refuse_other_than_files(const fs::path& folder) {
  for (const char* const name : {"secret.key", "eval.keys", kStaged}) {
    std::error_code ignored;
    const fs::file_status status = fs::status(folder / name, ignored);
    if (fs::exists(status) && !fs::is_regular_file(status))
      throw Error(ErrorCode::file, (folder / name).string() +
                                       " is not a file, and keys are to be written there: move it away, or name "
                                       "another folder");
  }
}

ClientKeys generate_locked(const encoder::InferencePlan& plan, const fs::path& folder) {
  refuse_other_than_files(folder);
  FreshKeys fresh = make_fresh_keys(plan);
  const bool replacing = is_there(folder / "secret.key");
  const fs::path evaluation = folder / (replacing ? kStaged : "eval.keys");
  write_file_atomically(evaluation, fresh.evaluation_keys, 0600);
  std::string file = encode_secret_file(
      {protocol::fingerprint(plan), plan.circuits.context->fingerprint(), fresh.secret.seed(), fresh.fingerprint});
  const Wiper wiper(file);
  write_file_atomically(folder / "secret.key", file, 0600);
  if (replacing) {
    std::error_code ignored;  // under the staged name they belong to the new secret key as well
    fs::rename(evaluation, folder / "eval.keys", ignored);
  } else {
    std::error_code ignored;
    fs::remove(folder / kStaged, ignored);  // of keys that somebody has removed since
  }
  return with_source(std::move(fresh.secret), fresh.fingerprint, plan, folder);
}

}  // namespace

ClientKeys generate_keys(const encoder::InferencePlan& plan, const fs::path& folder, bool replace,
                         const Notice& notice) {
  make_key_folder(folder);
  const FolderLock lock(folder, notice);
  if (!replace && is_there(folder / "secret.key")) {
    throw Error(ErrorCode::keys, (folder / "secret.key").string() + " exists already; replace it with --force");
  }
  return generate_locked(plan, folder);
}

ClientKeys load_keys(const encoder::InferencePlan& plan, const fs::path& folder) {
  const fs::path path = folder / "secret.key";
  if (!is_there(path)) {
    throw Error(ErrorCode::keys,
                "no keys in " + folder.string() + "; make some with 'thex keygen -o " + folder.string() + "'");
  }
  check_key_folder(folder);
  check_secret_file(path);
  std::string bytes = read_file(path, 4096);
  const Wiper wiper(bytes);
  const SecretFile file = parse_secret_file(bytes, path);
  if (file.plan != protocol::fingerprint(plan) || file.ring != plan.circuits.context->fingerprint()) {
    throw Error(ErrorCode::keys,
                fmt::format("{} belongs to another model, --max-tokens or version of thex (plan {}, this one is {}); "
                            "make keys for this one with 'thex keygen -o ANOTHER_FOLDER', or replace these with "
                            "--force",
                            path.string(), hex(file.plan), plan.fingerprint));
  }
  return with_source(ckks::secret::SecretKey::from_seed(plan.circuits.context, file.seed), file.keys, plan, folder);
}

KeysAndOrigin load_or_generate_keys(const encoder::InferencePlan& plan, const fs::path& folder, const Notice& notice) {
  make_key_folder(folder);
  const FolderLock lock(folder, notice);
  if (is_there(folder / "secret.key")) return {load_keys(plan, folder), false};
  return {generate_locked(plan, folder), true};
}

fs::path default_key_folder(const encoder::InferencePlan& plan) {
  const std::optional<fs::path> home = home_folder();
  if (!home) throw Error(ErrorCode::usage, "neither THEX_HOME nor HOME is set: name the key folder with --keys");
  return *home / "keys" / plan.fingerprint;
}

}  // namespace thex::client
