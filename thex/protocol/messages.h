// The payloads of the messages. All numbers little-endian.
//
//   hello        plan fingerprint (16), model parts (129), key fingerprint (32)
//   server_info  1 when the server holds the keys, else 0 (1), model parts (129), JSON
//   keys_offer, keys_wanted, keys_ready, keys_missing
//                nothing
//   keys_chunk   bytes of the serialized evaluation keys, in order; their total length follows from the plan
//   query, step, step_reply, result
//                index (4): the program in a query, else the client step; count (4); seconds (8, IEEE double):
//                the server's own work since the last message it received; then `count` ciphertexts, one after the
//                other, whose lengths follow from the plan
//   busy         milliseconds to wait before the next try (4), UTF-8 text
//   error        ErrorCode (2), UTF-8 text
//
//   model parts  which of the four are known, bit i for part i (1), then four digests (32 each), zeros where unknown
//
// A session: hello, server_info; then any number of
//   keys_offer, (busy | keys_wanted, keys_chunk ..., keys_ready)     when the server lacks the keys
//   query, (busy | keys_missing | (step, step_reply) x rounds, result)
// An error message ends the session at any point.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/ckks/answer.h"
#include "thex/encoder/inference_plan.h"
#include "thex/protocol/message.h"
#include "thex/protocol/model_parts.h"

namespace thex::protocol {

using PlanFingerprint = std::array<std::uint8_t, 16>;
using KeyFingerprint = std::array<std::uint8_t, 32>;  // BLAKE2b-256 of the serialized evaluation keys

inline constexpr std::uint64_t kHelloBytes = 16 + kModelPartsBytes + 32;
inline constexpr std::uint64_t kMaxInfoBytes = 64 * 1024;
inline constexpr std::uint64_t kMaxErrorBytes = 2 + 2000;
inline constexpr std::uint64_t kMaxBusyBytes = 4 + 2000;
inline constexpr std::uint64_t kMaxChunkBytes = 4 << 20;

struct Hello {
  PlanFingerprint plan{};
  model::ModelDigests parts;
  KeyFingerprint keys{};
};

struct ServerInfo {
  bool has_keys = false;
  model::ModelDigests parts;
  std::string json;
};

// The common head of query, step, step_reply and result.
struct CiphertextsHead {
  std::uint32_t index = 0;
  std::uint32_t count = 0;
  double seconds = 0;
};
inline constexpr std::size_t kCiphertextsHeadBytes = 16;

struct BusyMessage {
  std::chrono::milliseconds retry_after{0};
  std::string text;
};

struct ErrorMessage {
  ErrorCode code = ErrorCode::internal;
  std::string text;
};

PlanFingerprint fingerprint(const encoder::InferencePlan& plan);
KeyFingerprint fingerprint(ByteView serialized_keys);
// What an answer is bound to: plan, keys, circuit and ciphertexts of a query, by BLAKE2b-256.
ckks::Binding binding_of(const PlanFingerprint& plan, const KeyFingerprint& keys, ByteView query_payload);

Bytes encode(const Hello& message);
Bytes encode(const ServerInfo& message);
// Too long texts are cut.
Bytes encode(const BusyMessage& message);
Bytes encode(const ErrorMessage& message);
Bytes encode(const CiphertextsHead& head, std::span<const Bytes> ciphertexts);

// All throw Error(protocol) when the payload is not exactly such a message.
Hello parse_hello(ByteView payload);
ServerInfo parse_server_info(ByteView payload);
// What a terminal would obey in the text is escaped (base/printable.h), for it is shown to a person.
BusyMessage parse_busy(ByteView payload);
// A code that this version does not know counts as ErrorCode::protocol.
ErrorMessage parse_error(ByteView payload);
CiphertextsHead parse_head(ByteView payload);
// The ciphertexts after a head, as views into `payload`. `sizes`: their lengths, from the plan.
std::vector<ByteView> split_ciphertexts(ByteView payload, std::span<const std::size_t> sizes);

// Throws the error that the peer reported.
[[noreturn]] void throw_peer_error(ByteView payload, const std::string& peer);

}  // namespace thex::protocol
