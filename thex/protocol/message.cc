#include "thex/protocol/message.h"

#include <fmt/format.h>

#include <string>

#include "thex/base/error.h"

namespace thex::protocol {

std::string_view name(MessageType type) {
  switch (type) {
    case MessageType::hello:
      return "hello";
    case MessageType::server_info:
      return "server_info";
    case MessageType::keys_offer:
      return "keys_offer";
    case MessageType::keys_wanted:
      return "keys_wanted";
    case MessageType::keys_chunk:
      return "keys_chunk";
    case MessageType::keys_ready:
      return "keys_ready";
    case MessageType::query:
      return "query";
    case MessageType::keys_missing:
      return "keys_missing";
    case MessageType::step:
      return "step";
    case MessageType::step_reply:
      return "step_reply";
    case MessageType::result:
      return "result";
    case MessageType::busy:
      return "busy";
    case MessageType::error:
      return "error";
  }
  return "unknown";
}

void check_expected(MessageType type, std::uint64_t length, std::span<const Expected> expected) {
  std::string wanted;
  for (const Expected& e : expected) {
    if (e.type == type) {
      if (length <= e.max_length) return;
      throw Error(ErrorCode::protocol, fmt::format("the peer announced a {} of {} bytes, at most {} are possible here",
                                                   name(type), length, e.max_length));
    }
    wanted += wanted.empty() ? "" : " or ";
    wanted += name(e.type);
  }
  throw Error(ErrorCode::protocol,
              fmt::format("the peer sent a message of type {} ({}), expected {}", static_cast<unsigned>(type),
                          name(type), wanted.empty() ? "none before the last one is answered" : wanted));
}

}  // namespace thex::protocol
