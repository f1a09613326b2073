// A client's keys on disk: a folder with `secret.key` and `eval.keys`, both readable by their owner alone.
//
//   secret.key  magic "THEXSKEY", format version (u16, little-endian), plan fingerprint (16 bytes), ring fingerprint
//   (16), seed of
//               the secret key (32), fingerprint of eval.keys (32), BLAKE2b-256 of all before (32)
//   eval.keys   the serialized evaluation keys, as they are sent to a server
#pragma once

#include <filesystem>
#include <optional>

#include "thex/ckks/secret/secret.h"
#include "thex/encoder/inference_plan.h"
#include "thex/protocol/messages.h"

namespace thex::protocol {

struct ClientKeys {
  ckks::secret::SecretKey secret;
  KeyFingerprint fingerprint{};
  std::filesystem::path folder;
};

// Makes the keys of a plan and writes them, each file atomically, eval.keys first. The folder is made (0700) when
// missing. Throws Error(keys) when a secret.key is there and `replace` is false, Error(file) when writing fails.
ClientKeys generate_keys(const encoder::InferencePlan& plan, const std::filesystem::path& folder, bool replace);

// Throws Error(keys) when secret.key is missing, damaged, or of another plan; what to do is in the message.
ClientKeys load_keys(const encoder::InferencePlan& plan, const std::filesystem::path& folder);

// The keys of `folder`, made there when it has none; two processes that start at once end with the same keys.
struct KeysAndOrigin {
  ClientKeys keys;
  bool made = false;
};
KeysAndOrigin load_or_generate_keys(const encoder::InferencePlan& plan, const std::filesystem::path& folder);

// The contents of eval.keys, checked against the fingerprint. Throws Error(keys).
std::string read_evaluation_keys(const encoder::InferencePlan& plan, const ClientKeys& keys);

// ${THEX_HOME:-$HOME/.thex}/keys/<plan fingerprint>. Throws Error(usage) when neither variable is set.
std::filesystem::path default_key_folder(const encoder::InferencePlan& plan);

}  // namespace thex::protocol
