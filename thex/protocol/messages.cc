#include "thex/protocol/messages.h"

#include <fmt/format.h>
#include <sodium.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "thex/base/printable.h"

namespace thex::protocol {
namespace {

[[noreturn]] void reject(const std::string& what) { throw Error(ErrorCode::protocol, what); }

void append(Bytes& to, std::span<const std::uint8_t> bytes) {
  const auto view = std::as_bytes(bytes);
  to.insert(to.end(), view.begin(), view.end());
}

void append(Bytes& to, std::string_view text) {
  const auto view = std::as_bytes(std::span(text.data(), text.size()));
  to.insert(to.end(), view.begin(), view.end());
}

void append(Bytes& to, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to.push_back(static_cast<std::byte>(value >> (8 * i)));
}

std::uint64_t number(ByteView from, std::size_t offset, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::to_integer<std::uint64_t>(from[offset + i]) << (8 * i);
  return value;
}

std::string text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

void append(Bytes& to, const model::ModelDigests& parts) {
  std::uint64_t known = 0;
  for (std::size_t i = 0; i < model::kModelPartCount; ++i) known |= std::uint64_t{parts.parts[i].has_value()} << i;
  append(to, known, 1);
  for (const auto& digest : parts.parts) append(to, std::span<const std::uint8_t>(digest.value_or(model::Digest{})));
}

model::ModelDigests parse_parts(ByteView bytes) {
  const std::uint64_t known = number(bytes, 0, 1);
  if (known >= 1U << model::kModelPartCount)
    reject(fmt::format("model parts {:#x} of which this version knows none", known));
  model::ModelDigests parts;
  for (std::size_t i = 0; i < model::kModelPartCount; ++i) {
    model::Digest digest;
    std::memcpy(digest.data(), bytes.data() + 1 + i * digest.size(), digest.size());
    if (known >> i & 1) {
      parts.parts[i] = digest;
    } else if (digest != model::Digest{}) {
      reject("a digest of a model part that is said to be unknown");
    }
  }
  return parts;
}

}  // namespace

PlanFingerprint fingerprint(const encoder::InferencePlan& plan) {
  const std::string digits = plan.fingerprint;
  PlanFingerprint bytes{};
  std::size_t length = 0;
  if (::sodium_hex2bin(bytes.data(), bytes.size(), digits.data(), digits.size(), nullptr, &length, nullptr) != 0 ||
      length != bytes.size()) {
    throw Error(ErrorCode::internal, "the plan's fingerprint '" + digits + "' is not 32 hexadecimal digits");
  }
  return bytes;
}

KeyFingerprint fingerprint(ByteView serialized_keys) {
  if (::sodium_init() < 0) throw Error(ErrorCode::internal, "libsodium cannot be initialised");
  KeyFingerprint digest{};
  ::crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(serialized_keys.data()),
                       serialized_keys.size(), nullptr, 0);
  return digest;
}

ckks::Binding binding_of(const PlanFingerprint& plan, const KeyFingerprint& keys, ByteView query_payload) {
  const std::uint32_t index = parse_head(query_payload).index;
  Bytes head;
  append(head, plan);
  append(head, keys);
  append(head, index, 4);
  const ByteView ciphertexts = query_payload.subspan(kCiphertextsHeadBytes);
  ckks::Binding digest;
  ::crypto_generichash_state state;
  ::crypto_generichash_init(&state, nullptr, 0, digest.size());
  for (const ByteView part : {ByteView(head), ciphertexts})
    ::crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()), part.size());
  ::crypto_generichash_final(&state, digest.data(), digest.size());
  return digest;
}

Bytes encode(const Hello& message) {
  Bytes bytes;
  append(bytes, message.plan);
  append(bytes, message.parts);
  append(bytes, message.keys);
  return bytes;
}

Bytes encode(const ServerInfo& message) {
  Bytes bytes;
  append(bytes, message.has_keys ? 1 : 0, 1);
  append(bytes, message.parts);
  append(bytes, std::string_view(message.json));
  return bytes;
}

Bytes encode(const BusyMessage& message) {
  Bytes bytes;
  append(bytes, static_cast<std::uint64_t>(message.retry_after.count()), 4);
  append(bytes, std::string_view(message.text).substr(0, kMaxBusyBytes - 4));
  return bytes;
}

Bytes encode(const ErrorMessage& message) {
  Bytes bytes;
  append(bytes, static_cast<std::uint64_t>(message.code), 2);
  append(bytes, std::string_view(message.text).substr(0, kMaxErrorBytes - 2));
  return bytes;
}

Bytes encode(const CiphertextsHead& head, std::span<const Bytes> ciphertexts) {
  Bytes bytes;
  std::size_t total = kCiphertextsHeadBytes;
  for (const Bytes& c : ciphertexts) total += c.size();
  bytes.reserve(total);
  append(bytes, head.index, 4);
  append(bytes, head.count, 4);
  append(bytes, std::bit_cast<std::uint64_t>(head.seconds), 8);
  for (const Bytes& c : ciphertexts) bytes.insert(bytes.end(), c.begin(), c.end());
  return bytes;
}

Hello parse_hello(ByteView payload) {
  if (payload.size() != kHelloBytes)
    reject(fmt::format("a hello of {} bytes, expected {}", payload.size(), kHelloBytes));
  Hello message;
  std::memcpy(message.plan.data(), payload.data(), message.plan.size());
  message.parts = parse_parts(payload.subspan(message.plan.size(), kModelPartsBytes));
  std::memcpy(message.keys.data(), payload.data() + message.plan.size() + kModelPartsBytes, message.keys.size());
  return message;
}

ServerInfo parse_server_info(ByteView payload) {
  if (payload.size() < 1 + kModelPartsBytes || number(payload, 0, 1) > 1) {
    reject(fmt::format("a server_info of {} bytes without its flag and model parts", payload.size()));
  }
  return {number(payload, 0, 1) == 1, parse_parts(payload.subspan(1, kModelPartsBytes)),
          text(payload.subspan(1 + kModelPartsBytes))};
}

BusyMessage parse_busy(ByteView payload) {
  if (payload.size() < 4) reject(fmt::format("a busy of {} bytes, expected at least 4", payload.size()));
  return {std::chrono::milliseconds(number(payload, 0, 4)), printable(text(payload.subspan(4)))};
}

ErrorMessage parse_error(ByteView payload) {
  if (payload.size() < 2) reject(fmt::format("an error of {} bytes, expected at least 2", payload.size()));
  ErrorMessage message{ErrorCode::protocol, printable(text(payload.subspan(2)))};
  const auto code = number(payload, 0, 2);
  if (code == static_cast<unsigned>(ErrorCode::internal)) message.code = ErrorCode::internal;
  if (code >= static_cast<unsigned>(ErrorCode::usage) && code <= static_cast<unsigned>(ErrorCode::busy)) {
    message.code = static_cast<ErrorCode>(code);
  }
  return message;
}

CiphertextsHead parse_head(ByteView payload) {
  if (payload.size() < kCiphertextsHeadBytes) {
    reject(fmt::format("a message of {} bytes is shorter than its head of {}", payload.size(), kCiphertextsHeadBytes));
  }
  CiphertextsHead head;
  head.index = static_cast<std::uint32_t>(number(payload, 0, 4));
  head.count = static_cast<std::uint32_t>(number(payload, 4, 4));
  head.seconds = std::bit_cast<double>(number(payload, 8, 8));
  if (!(head.seconds >= 0 && head.seconds < 1e9)) reject("a message whose time is not a number of seconds");
  return head;
}

std::vector<ByteView> split_ciphertexts(ByteView payload, std::span<const std::size_t> sizes) {
  const CiphertextsHead head = parse_head(payload);
  if (head.count != sizes.size()) reject(fmt::format("{} ciphertexts, expected {}", head.count, sizes.size()));
  std::size_t expected = kCiphertextsHeadBytes;
  for (const std::size_t size : sizes) expected += size;
  if (payload.size() != expected) reject(fmt::format("a message of {} bytes, expected {}", payload.size(), expected));
  std::vector<ByteView> views;
  std::size_t offset = kCiphertextsHeadBytes;
  for (const std::size_t size : sizes) {
    views.push_back(payload.subspan(offset, size));
    offset += size;
  }
  return views;
}

void throw_peer_error(ByteView payload, const std::string& peer) {
  const ErrorMessage message = parse_error(payload);
  throw Error(message.code, peer + " says: " + message.text);
}

}  // namespace thex::protocol
