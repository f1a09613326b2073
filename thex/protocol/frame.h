// The frame: what every message between client and server is wrapped in.
//
//   offset  bytes
//   0       4     magic "TXP1"
//   4       2     protocol version, little-endian
//   6       2     type (FrameType)
//   8       8     payload length
//   16            payload
//
// The receiver says which types it is ready for and how long each may be; those bounds come from the plan that both
// sides derive from the model's configuration, so that nothing is allocated on the word of a peer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace thex::protocol {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::size_t kHeaderBytes = 16;

enum class FrameType : std::uint16_t {
  hello = 1,        // client: which plan, which keys
  server_info = 2,  // server: what it serves, and whether it has the keys
  keys_chunk = 3,   // client: the next bytes of the evaluation keys
  keys_ready = 4,   // server: the keys are complete and checked
  query = 5,        // client: the ciphertexts of step 0
  step = 6,         // server: ciphertexts for the client
  step_reply = 7,   // client: fresh ciphertexts
  result = 8,       // server: the encrypted logits
  error = 9,        // either: why it stops
};
std::string_view name(FrameType type);

struct Frame {
  FrameType type = FrameType::error;
  Bytes payload;
};

struct FrameHeader {
  FrameType type = FrameType::error;
  std::uint64_t length = 0;
};

// One type that a receiver is ready for, with its longest payload.
struct Expected {
  FrameType type;
  std::uint64_t max_length;
};

std::array<std::byte, kHeaderBytes> encode_header(FrameType type, std::uint64_t length);

// Throws Error(protocol) with the values for another magic, version, an unexpected type or a longer payload than
// expected.
FrameHeader parse_header(std::span<const std::byte, kHeaderBytes> bytes, std::span<const Expected> expected);

}  // namespace thex::protocol
