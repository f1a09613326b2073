// A client's keys, wherever they are kept.
#pragma once

#include <functional>
#include <string>

#include "thex/ckks/secret/secret.h"
#include "thex/encoder/inference_plan.h"
#include "thex/protocol/messages.h"

namespace thex::client {

struct ClientKeys {
  ckks::secret::SecretKey secret;
  protocol::KeyFingerprint fingerprint{};  // of the serialized evaluation keys
  // The serialized evaluation keys, fetched when a server asks for them: hundreds of megabytes that nobody holds
  // otherwise. Throws Error(keys) when they cannot be had.
  std::function<std::string()> evaluation_keys;
};

// New keys of a plan, the evaluation keys serialized, before somebody decides where they are kept.
struct FreshKeys {
  ckks::secret::SecretKey secret;
  protocol::KeyFingerprint fingerprint{};
  ckks::Bytes evaluation_keys;
};
FreshKeys make_fresh_keys(const encoder::InferencePlan& plan);

// New keys that are kept in memory alone and end with the object. See key_files.h for keys on disk.
ClientKeys make_keys(const encoder::InferencePlan& plan);

}  // namespace thex::client
