// A client's keys, wherever they are kept.
#pragma once

#include <functional>
#include <string>

#include "thex/ckks/secret/secret.h"
#include "thex/protocol/messages.h"

namespace thex::client {

struct ClientKeys {
  ckks::secret::SecretKey secret;
  protocol::KeyFingerprint fingerprint{};  // of the serialized evaluation keys
  // The serialized evaluation keys, fetched when a server asks for them: hundreds of megabytes that nobody holds
  // otherwise. Throws Error(keys) when they cannot be had.
  std::function<std::string()> evaluation_keys;
};

}  // namespace thex::client
