#include "thex/transport/stream.h"

#include "thex/transport/frame.h"

namespace thex::transport {

using protocol::Bytes;

void StreamConnection::send(protocol::MessageType type, protocol::ByteView payload, Deadline deadline) {
  const auto header = encode_header(type, payload.size());
  if (payload.size() <= 64) {  // one packet for small frames
    Bytes all(header.begin(), header.end());
    all.insert(all.end(), payload.begin(), payload.end());
    stream_->write(all, deadline);
  } else {
    stream_->write(header, deadline);
    stream_->write(payload, deadline);
  }
  sent_ += header.size() + payload.size();
}

protocol::Message StreamConnection::receive(std::span<const protocol::Expected> expected, Deadline deadline) {
  FrameReader reader;
  while (!reader.complete()) {
    const std::size_t n = stream_->read(reader.space(), deadline);
    if (n == 0 && reader.between_messages()) throw ConnectionClosed(peer() + " closed the connection");
    if (n == 0) throw Error(ErrorCode::network, peer() + " closed the connection in the middle of a message");
    if (const auto header = reader.commit(n)) protocol::check_expected(header->type, header->length, expected);
  }
  protocol::Message message = reader.take();
  received_ += kHeaderBytes + message.payload.size();
  return message;
}

}  // namespace thex::transport
