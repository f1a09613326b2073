// Frames over an ordered stream of bytes: what TCP and the in-memory transport have in common.
#pragma once

#include <memory>
#include <string>

#include "thex/transport/connection.h"

namespace thex::transport {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Writes all bytes or throws Error(network); TimedOut when the deadline passes, as read() does.
  virtual void write(protocol::ByteView bytes, Deadline deadline) = 0;
  // Reads at least one byte into `bytes` (not empty) and returns how many; 0 at the end of the stream.
  virtual std::size_t read(std::span<std::byte> bytes, Deadline deadline) = 0;
  // Whether read() would return at once.
  virtual bool readable() = 0;
  virtual void close() noexcept = 0;
  virtual std::string peer() const = 0;
};

class StreamConnection : public Connection {
 public:
  explicit StreamConnection(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}
  ~StreamConnection() override { stream_->close(); }

  void send(protocol::MessageType type, protocol::ByteView payload, Deadline deadline) override;
  protocol::Message receive(std::span<const protocol::Expected> expected, Deadline deadline) override;
  bool pending() override { return stream_->readable(); }
  void close() noexcept override { stream_->close(); }
  std::string peer() const override { return stream_->peer(); }

 private:
  std::unique_ptr<ByteStream> stream_;
};

}  // namespace thex::transport
