// The one interface between the protocol and whatever carries its frames.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/protocol/frame.h"

namespace thex::protocol {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;
inline Deadline in(std::chrono::milliseconds time) { return Clock::now() + time; }

// The peer closed the connection between two frames. (In the middle of one it is a plain Error(network).)
class ConnectionClosed : public Error {
 public:
  explicit ConnectionClosed(const std::string& message) : Error(ErrorCode::network, message) {}
};

// A two-way channel of frames. One thread sends and receives; close() may be called from any thread and wakes them.
class Connection {
 public:
  virtual ~Connection() = default;

  // Throws Error(network) when the peer is gone or the deadline passes.
  virtual void send(FrameType type, ByteView payload, Deadline deadline) = 0;
  // The next frame; the deadline covers all of it. Throws ConnectionClosed, Error(network), or Error(protocol) as
  // parse_header does.
  virtual Frame receive(std::span<const Expected> expected, Deadline deadline) = 0;
  virtual void close() noexcept = 0;
  virtual std::string peer() const = 0;

  // Bytes on the wire so far, frame headers included.
  std::uint64_t bytes_sent() const { return sent_; }
  std::uint64_t bytes_received() const { return received_; }

 protected:
  std::atomic<std::uint64_t> sent_{0}, received_{0};
};

class Listener {
 public:
  virtual ~Listener() = default;
  // Waits for the next client; null once stop() was called.
  virtual std::unique_ptr<Connection> accept() = 0;
  // From any thread.
  virtual void stop() noexcept = 0;
  // "127.0.0.1:40123": where clients connect, with the port that was really taken.
  virtual std::string address() const = 0;
};

// TCP. Addresses are HOST:PORT, [IPV6]:PORT; port 0 takes any free one when listening. Throws Error(usage) for an
// address that cannot be understood and Error(network) when nobody listens there, or it is taken.
std::unique_ptr<Connection> connect_tcp(const std::string& address, std::chrono::milliseconds timeout);
std::unique_ptr<Listener> listen_tcp(const std::string& address);

// Both ends of a connection inside this process, for tests.
std::pair<std::unique_ptr<Connection>, std::unique_ptr<Connection>> connect_in_memory();

}  // namespace thex::protocol
