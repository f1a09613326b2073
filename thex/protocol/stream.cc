#include "thex/protocol/stream.h"

#include <algorithm>

namespace thex::protocol {
namespace {

// A payload grows with the bytes that arrived, so that a peer who announces much and sends little costs little.
constexpr std::size_t kReadStep = std::size_t{1} << 20;

}  // namespace

void StreamConnection::send(FrameType type, ByteView payload, Deadline deadline) {
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

Frame StreamConnection::receive(std::span<const Expected> expected, Deadline deadline) {
  std::array<std::byte, kHeaderBytes> bytes;
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::size_t n = stream_->read(std::span(bytes).subspan(done), deadline);
    if (n == 0 && done == 0) throw ConnectionClosed(peer() + " closed the connection");
    if (n == 0) throw Error(ErrorCode::network, peer() + " closed the connection in the middle of a frame");
    done += n;
  }
  const FrameHeader header = parse_header(bytes, expected);
  Frame frame{header.type, {}};
  done = 0;
  while (done < header.length) {
    if (frame.payload.size() == done) {
      frame.payload.resize(std::min<std::uint64_t>(header.length, std::max(kReadStep, 2 * done)));
    }
    const std::size_t n = stream_->read(std::span(frame.payload).subspan(done), deadline);
    if (n == 0) throw Error(ErrorCode::network, peer() + " closed the connection in the middle of a frame");
    done += n;
  }
  received_ += kHeaderBytes + header.length;
  return frame;
}

}  // namespace thex::protocol
