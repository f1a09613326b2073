// A two-way channel of messages, as a client uses it: it sends and waits.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/protocol/message.h"

namespace thex::transport {

// The peer closed the connection between two messages. (In the middle of one it is a plain Error(network).)
class ConnectionClosed : public Error {
 public:
  explicit ConnectionClosed(const std::string& message) : Error(ErrorCode::network, message) {}
};

// The deadline passed.
class TimedOut : public Error {
 public:
  explicit TimedOut(const std::string& message) : Error(ErrorCode::network, message) {}
};

// One thread sends and receives; close() may be called from any thread and wakes it.
class Connection {
 public:
  virtual ~Connection() = default;

  // Throws Error(network) when the peer is gone, and TimedOut.
  virtual void send(protocol::MessageType type, protocol::ByteView payload, Deadline deadline) = 0;
  // The next message; the deadline covers all of it. Throws ConnectionClosed, TimedOut, Error(network), or
  // Error(protocol) for a message that is malformed or not expected.
  virtual protocol::Message receive(std::span<const protocol::Expected> expected, Deadline deadline) = 0;
  // Whether something has come already: receive() would not wait for its first byte.
  virtual bool pending() = 0;
  virtual void close() noexcept = 0;
  virtual std::string peer() const = 0;

  // Bytes on the wire so far, frame headers included.
  std::uint64_t bytes_sent() const { return sent_; }
  std::uint64_t bytes_received() const { return received_; }

 protected:
  std::atomic<std::uint64_t> sent_{0}, received_{0};
};

}  // namespace thex::transport
