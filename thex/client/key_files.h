// A client's keys on disk: a folder with `secret.key` and `eval.keys`, both for their owner alone.
//
//   secret.key  magic "THEXSKEY", format version (u16, little-endian), plan fingerprint (16 bytes), ring fingerprint
//               (16), seed of the secret key (32), fingerprint of eval.keys (32), BLAKE2b-256 of all before (32)
//   eval.keys   the serialized evaluation keys, as they are sent to a server
//
// A pair is made and replaced as one: a process that is killed at any point leaves no keys, the old pair, or the new
// one.
#pragma once

#include <filesystem>

#include "thex/client/key_folder.h"
#include "thex/client/keys.h"
#include "thex/encoder/inference_plan.h"

namespace thex::client {

// Makes the keys of a plan and writes them. The folder is made (0700) when missing. Throws Error(keys) when a
// secret.key is there and `replace` is false, Error(file) when writing fails, and what key_folder.h says.
ClientKeys generate_keys(const encoder::InferencePlan& plan, const std::filesystem::path& folder, bool replace,
                         const Notice& notice = {});

// Throws Error(keys) when secret.key is missing, damaged, of another plan, or open to others; what to do is in the
// message. The evaluation keys are read, and checked against the secret key's fingerprint of them, when they are asked
// for.
ClientKeys load_keys(const encoder::InferencePlan& plan, const std::filesystem::path& folder);

// The keys of `folder`, made there when it has none; two processes that start at once end with the same keys.
struct KeysAndOrigin {
  ClientKeys keys;
  bool made = false;
};
KeysAndOrigin load_or_generate_keys(const encoder::InferencePlan& plan, const std::filesystem::path& folder,
                                    const Notice& notice = {});

// ${THEX_HOME:-$HOME/.thex}/keys/<plan fingerprint>. Throws Error(usage) when neither variable is set.
std::filesystem::path default_key_folder(const encoder::InferencePlan& plan);

}  // namespace thex::client
