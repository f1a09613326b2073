// Any bytes as secret.key, eval.keys or eval.keys.new: an Error(keys), or keys of this plan. The checksum of a
// secret.key can be put right here, so that mutations reach what it covers.
#include <sodium.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "fuzz/scratch_folder.h"
#include "fuzz/small_model.h"
#include "thex/client/key_files.h"

namespace {

using namespace thex;

constexpr std::size_t kChecksum = 32, kSecretFile = 8 + 2 + 16 + 16 + 32 + 32 + kChecksum;

struct World {
  World() {
    client::generate_keys(plan, folder.path(), false);
    secret = read("secret.key");
  }
  std::string read(const char* name) const {
    std::string bytes(kSecretFile, '\0');
    std::FILE* const file = std::fopen((folder.path() / name).c_str(), "rb");
    if (!file || std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) std::abort();
    std::fclose(file);
    return bytes;
  }
  encoder::InferencePlan plan = encoder::plan_inference(fuzz::small_config(), 16);
  fuzz::ScratchFolder folder;
  std::string secret;
};

const World& the_world() {
  static const World instance;
  return instance;
}

}  // namespace

// Before the clock of the first input starts.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ::umask(077);  // the fuzzer's files are their owner's alone, as the client's are
  the_world();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const World& world = the_world();
  if (size == 0) return 0;
  std::string bytes(fuzz::text_of(data + 1, size - 1));
  if (data[0] & 1) {  // the file has the right length
    const std::size_t given = std::min(bytes.size(), kSecretFile);
    bytes = bytes.substr(0, given) + world.secret.substr(given);
  }
  if (data[0] & 2 && bytes.size() >= 8 + 2 + 16 + 16) std::memcpy(bytes.data(), world.secret.data(), 8 + 2 + 16 + 16);
  if (data[0] & 4 && bytes.size() >= kChecksum) {
    auto* const raw = reinterpret_cast<unsigned char*>(bytes.data());
    crypto_generichash(raw + bytes.size() - kChecksum, kChecksum, raw, bytes.size() - kChecksum, nullptr, 0);
  }
  world.folder.write("secret.key", bytes);
  if (data[0] & 8) world.folder.write("eval.keys", bytes);
  if (data[0] & 16) world.folder.write("eval.keys.new", bytes);
  try {
    const client::ClientKeys keys = client::load_keys(world.plan, world.folder.path());
    if (bytes.size() != kSecretFile || bytes.compare(0, 42, world.secret, 0, 42) != 0) std::abort();
    if (std::memcmp(keys.secret.seed().data(), bytes.data() + 42, 32) != 0) std::abort();
    keys.evaluation_keys();
    if (keys.fingerprint.size() != 32) std::abort();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::keys) std::abort();
  }
  return 0;
}
