#include "thex/protocol/frame.h"

#include <fmt/format.h>

#include <cstring>
#include <string>

#include "thex/base/error.h"

namespace thex::protocol {
namespace {

constexpr char kMagic[4] = {'T', 'X', 'P', '1'};

void put(std::byte* to, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to[i] = static_cast<std::byte>(value >> (8 * i));
}

std::uint64_t get(const std::byte* from, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::to_integer<std::uint64_t>(from[i]) << (8 * i);
  return value;
}

}  // namespace

std::string_view name(FrameType type) {
  switch (type) {
    case FrameType::hello:
      return "hello";
    case FrameType::server_info:
      return "server_info";
    case FrameType::keys_chunk:
      return "keys_chunk";
    case FrameType::keys_ready:
      return "keys_ready";
    case FrameType::query:
      return "query";
    case FrameType::step:
      return "step";
    case FrameType::step_reply:
      return "step_reply";
    case FrameType::result:
      return "result";
    case FrameType::error:
      return "error";
  }
  return "unknown";
}

std::array<std::byte, kHeaderBytes> encode_header(FrameType type, std::uint64_t length) {
  std::array<std::byte, kHeaderBytes> header;
  std::memcpy(header.data(), kMagic, sizeof(kMagic));
  put(header.data() + 4, kProtocolVersion, 2);
  put(header.data() + 6, static_cast<std::uint16_t>(type), 2);
  put(header.data() + 8, length, 8);
  return header;
}

FrameHeader parse_header(std::span<const std::byte, kHeaderBytes> bytes, std::span<const Expected> expected) {
  if (std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    throw Error(ErrorCode::protocol, "the peer does not speak THE-X's protocol (no TXP1 at the start of a frame)");
  }
  const auto version = get(bytes.data() + 4, 2);
  if (version != kProtocolVersion) {
    throw Error(ErrorCode::protocol,
                fmt::format("the peer speaks protocol version {}, this program version {}: use the "
                            "same release of thex on both sides",
                            version, kProtocolVersion));
  }
  const auto type = static_cast<FrameType>(get(bytes.data() + 6, 2));
  const std::uint64_t length = get(bytes.data() + 8, 8);
  std::string wanted;
  for (const Expected& e : expected) {
    if (e.type == type) {
      if (length > e.max_length) {
        throw Error(ErrorCode::protocol,
                    fmt::format("the peer announced a {} of {} bytes, at most {} are possible here", name(type), length,
                                e.max_length));
      }
      return {type, length};
    }
    wanted += wanted.empty() ? "" : " or ";
    wanted += name(e.type);
  }
  throw Error(ErrorCode::protocol, fmt::format("the peer sent a frame of type {} ({}), expected {}",
                                               static_cast<unsigned>(type), name(type), wanted));
}

}  // namespace thex::protocol
