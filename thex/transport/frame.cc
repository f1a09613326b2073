#include "thex/transport/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "thex/base/error.h"

namespace thex::transport {
namespace {

constexpr char kMagic[4] = {'T', 'X', 'P', '1'};
constexpr std::size_t kFirstStep = std::size_t{16} << 10;

void put(std::byte* to, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to[i] = static_cast<std::byte>(value >> (8 * i));
}

std::uint64_t get(const std::byte* from, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::to_integer<std::uint64_t>(from[i]) << (8 * i);
  return value;
}

}  // namespace

std::array<std::byte, kHeaderBytes> encode_header(protocol::MessageType type, std::uint64_t length) {
  std::array<std::byte, kHeaderBytes> header;
  std::memcpy(header.data(), kMagic, sizeof(kMagic));
  put(header.data() + 4, protocol::kProtocolVersion, 2);
  put(header.data() + 6, static_cast<std::uint16_t>(type), 2);
  put(header.data() + 8, length, 8);
  return header;
}

FrameHeader parse_header(std::span<const std::byte, kHeaderBytes> bytes) {
  if (std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    throw Error(ErrorCode::protocol, "the peer does not speak THE-X's protocol (no TXP1 at the start of a frame)");
  }
  const auto version = get(bytes.data() + 4, 2);
  if (version != protocol::kProtocolVersion) {
    throw Error(ErrorCode::protocol,
                fmt::format("the peer speaks protocol version {}, this program version {}: use the "
                            "same release of thex on both sides",
                            version, protocol::kProtocolVersion));
  }
  return {static_cast<protocol::MessageType>(get(bytes.data() + 6, 2)), get(bytes.data() + 8, 8)};
}

std::span<std::byte> FrameReader::space() {
  if (!header_) return std::span(head_).subspan(done_);
  if (payload_.size() == done_) {
    // Little more than has come: what is not there yet counts in nobody's budget.
    payload_.resize(std::min<std::uint64_t>(header_->length, done_ + std::max(kFirstStep, done_ / 4)));
  }
  return std::span(payload_).subspan(done_);
}

std::optional<FrameHeader> FrameReader::commit(std::size_t bytes) {
  done_ += bytes;
  if (header_ || done_ < kHeaderBytes) return std::nullopt;
  header_ = parse_header(head_);
  done_ = 0;
  return header_;
}

protocol::Message FrameReader::take() {
  protocol::Message message{header_->type, std::move(payload_)};
  header_.reset();
  done_ = 0;
  payload_ = {};
  return message;
}

}  // namespace thex::transport
