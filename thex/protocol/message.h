// A message: its type and its payload, whatever carries it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace thex::protocol {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

// Raised whenever a message changes. Both sides must speak the same version; a carrier tells it with every message.
inline constexpr std::uint16_t kProtocolVersion = 3;

enum class MessageType : std::uint16_t {
  hello = 1,         // client: which model, which keys
  server_info = 2,   // server: what it serves, and whether it has the keys
  keys_offer = 3,    // client: it would send its evaluation keys now
  keys_wanted = 4,   // server: it has room for them
  keys_chunk = 5,    // client: the next bytes of the evaluation keys
  keys_ready = 6,    // server: the keys are complete and checked
  query = 7,         // client: the ciphertexts of step 0
  keys_missing = 8,  // server: the query was not begun, its keys are not here (any more)
  step = 9,          // server: ciphertexts for the client
  step_reply = 10,   // client: fresh ciphertexts
  result = 11,       // server: the encrypted logits
  busy = 12,         // server: the offer or the query was not taken for want of room; try again later
  error = 13,        // either: why it ends
};
std::string_view name(MessageType type);

struct Message {
  MessageType type = MessageType::error;
  Bytes payload;
};

// One type that a receiver is ready for, with its longest payload. The bounds come from the plan that both sides derive
// from the model's configuration, so that nothing is allocated on the word of a peer.
struct Expected {
  MessageType type;
  std::uint64_t max_length;
};

// Throws Error(protocol), with the values, for a type that is not expected or a longer payload.
void check_expected(MessageType type, std::uint64_t length, std::span<const Expected> expected);

}  // namespace thex::protocol
