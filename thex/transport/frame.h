// The frame: what every message is wrapped in on a stream of bytes.
//
//   offset  bytes
//   0       4     magic "TXP1"
//   4       2     protocol version, little-endian
//   6       2     type (protocol::MessageType)
//   8       8     payload length
//   16            payload
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "thex/protocol/message.h"

namespace thex::transport {

inline constexpr std::size_t kHeaderBytes = 16;

struct FrameHeader {
  protocol::MessageType type = protocol::MessageType::error;
  std::uint64_t length = 0;
};

std::array<std::byte, kHeaderBytes> encode_header(protocol::MessageType type, std::uint64_t length);

// Throws Error(protocol) with the values for another magic or version. Type and length are for the receiver to check
// (protocol::check_expected), before it makes room for a payload.
FrameHeader parse_header(std::span<const std::byte, kHeaderBytes> bytes);

// Puts frames together from whatever pieces a stream delivers.
class FrameReader {
 public:
  // Where the next bytes go, never empty. A payload grows with the bytes that have arrived, so that a peer who
  // announces much and sends little costs little.
  std::span<std::byte> space();
  // So many bytes were put there, at most its size. Returns the header when it has just become complete: then the
  // receiver checks it before it asks for space again. Throws as parse_header does.
  std::optional<FrameHeader> commit(std::size_t bytes);

  // Whether a message is complete, and the message itself; afterwards the next one begins.
  bool complete() const { return header_ && done_ == header_->length; }
  protocol::Message take();
  // Whether the next bytes are a header's.
  bool in_header() const { return !header_; }
  // Whether nothing of a message has arrived yet.
  bool between_messages() const { return !header_ && done_ == 0; }

 private:
  std::array<std::byte, kHeaderBytes> head_;
  std::optional<FrameHeader> header_;
  std::size_t done_ = 0;  // bytes of the header, then of the payload
  protocol::Bytes payload_;
};

}  // namespace thex::transport
