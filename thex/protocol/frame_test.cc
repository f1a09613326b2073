#include "thex/protocol/frame.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/models.h"
#include "thex/base/error.h"
#include "thex/protocol/stream.h"

namespace thex::protocol {
namespace {

using support::error_of;

constexpr Expected kQuery[] = {{FrameType::query, 1000}};
constexpr Expected kTwo[] = {{FrameType::step, 10}, {FrameType::error, 20}};

TEST(Frame, HeaderRoundTrip) {
  const auto header = encode_header(FrameType::query, 1000);
  EXPECT_EQ(std::to_integer<char>(header[0]), 'T');
  EXPECT_EQ(std::to_integer<int>(header[4]), kProtocolVersion);
  const FrameHeader parsed = parse_header(header, kQuery);
  EXPECT_EQ(parsed.type, FrameType::query);
  EXPECT_EQ(parsed.length, 1000u);
}

TEST(Frame, RefusesAnotherMagicVersionTypeOrLength) {
  auto magic = encode_header(FrameType::query, 1);
  magic[3] = std::byte{'2'};
  EXPECT_NE(error_of(ErrorCode::protocol, [&] { parse_header(magic, kQuery); }).find("TXP1"), std::string::npos);
  auto version = encode_header(FrameType::query, 1);
  version[4] = std::byte{9};
  EXPECT_NE(error_of(ErrorCode::protocol, [&] { parse_header(version, kQuery); }).find("version 9"), std::string::npos);
  const auto type = encode_header(FrameType::result, 1);
  const std::string message = error_of(ErrorCode::protocol, [&] { parse_header(type, kTwo); });
  EXPECT_NE(message.find("result"), std::string::npos) << message;
  EXPECT_NE(message.find("step or error"), std::string::npos) << message;
  EXPECT_NE(
      error_of(ErrorCode::protocol, [&] { parse_header(encode_header(FrameType::query, 1001), kQuery); }).find("1001"),
      std::string::npos);
  error_of(ErrorCode::protocol, [&] { parse_header(encode_header(FrameType::query, ~std::uint64_t{0}), kQuery); });
}

TEST(Frame, RandomBytesNeverPass) {
  std::mt19937_64 engine(1);
  for (int i = 0; i < 10000; ++i) {
    std::array<std::byte, kHeaderBytes> bytes;
    for (auto& b : bytes) b = static_cast<std::byte>(engine());
    if (i % 2) std::copy_n(encode_header(FrameType::query, 0).begin(), 4, bytes.begin());
    EXPECT_THROW(parse_header(bytes, kQuery), Error);
  }
}

// A connection on one end and the raw stream on the other.
struct Ends {
  Ends() {
    auto [a, b] = make_memory_streams();
    connection = std::make_unique<StreamConnection>(std::move(a));
    raw = std::move(b);
  }
  std::unique_ptr<Connection> connection;
  std::unique_ptr<ByteStream> raw;
};

TEST(StreamConnection, TruncatedFramesAreErrors) {
  const auto header = encode_header(FrameType::query, 100);
  for (const std::size_t sent : {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{115}}) {
    Ends ends;
    Bytes bytes(header.begin(), header.end());
    bytes.resize(sent);
    ends.raw->write(bytes, in(std::chrono::seconds(1)));
    ends.raw->close();
    const std::string message =
        error_of(ErrorCode::network, [&] { ends.connection->receive(kQuery, in(std::chrono::seconds(1))); });
    EXPECT_NE(message.find("middle of a frame"), std::string::npos) << message;
  }
}

TEST(StreamConnection, CloseBetweenFramesIsNotTheSame) {
  Ends ends;
  ends.raw->close();
  EXPECT_THROW(ends.connection->receive(kQuery, in(std::chrono::seconds(1))), ConnectionClosed);
}

TEST(StreamConnection, DeadlinesEndWaiting) {
  Ends ends;
  const auto header = encode_header(FrameType::query, 100);
  ends.raw->write(header, in(std::chrono::seconds(1)));
  const auto start = Clock::now();
  const std::string message =
      error_of(ErrorCode::network, [&] { ends.connection->receive(kQuery, in(std::chrono::milliseconds(50))); });
  EXPECT_NE(message.find("time-out"), std::string::npos) << message;
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
  // Nobody reads: sending does not wait for ever either.
  const Bytes large(4 << 20);
  error_of(ErrorCode::network,
           [&] { ends.connection->send(FrameType::query, large, in(std::chrono::milliseconds(50))); });
}

}  // namespace
}  // namespace thex::protocol
