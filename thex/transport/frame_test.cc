#include "thex/transport/frame.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/models.h"
#include "thex/base/error.h"
#include "thex/transport/memory.h"

namespace thex::transport {
namespace {

using protocol::Bytes;
using protocol::Expected;
using protocol::MessageType;
using support::error_of;

constexpr Expected kQuery[] = {{MessageType::query, 1000}};
constexpr Expected kTwo[] = {{MessageType::step, 10}, {MessageType::error, 20}};

TEST(Frame, HeaderRoundTrip) {
  const auto header = encode_header(MessageType::query, 1000);
  EXPECT_EQ(std::to_integer<char>(header[0]), 'T');
  EXPECT_EQ(std::to_integer<int>(header[4]), protocol::kProtocolVersion);
  const FrameHeader parsed = parse_header(header);
  EXPECT_EQ(parsed.type, MessageType::query);
  EXPECT_EQ(parsed.length, 1000u);
}

TEST(Frame, RefusesAnotherMagicOrVersion) {
  auto magic = encode_header(MessageType::query, 1);
  magic[3] = std::byte{'2'};
  EXPECT_NE(error_of(ErrorCode::protocol, [&] { parse_header(magic); }).find("TXP1"), std::string::npos);
  for (const unsigned other : {0u, 1u, 9u}) {
    if (other == protocol::kProtocolVersion) continue;
    auto version = encode_header(MessageType::query, 1);
    version[4] = static_cast<std::byte>(other);
    const std::string message = error_of(ErrorCode::protocol, [&] { parse_header(version); });
    EXPECT_NE(message.find("version " + std::to_string(other)), std::string::npos) << message;
    EXPECT_NE(message.find("the same release"), std::string::npos) << message;
  }
}

TEST(Frame, RefusesAnotherTypeOrLengthThanExpected) {
  const std::string message = error_of(ErrorCode::protocol, [&] { check_expected(MessageType::result, 1, kTwo); });
  EXPECT_NE(message.find("result"), std::string::npos) << message;
  EXPECT_NE(message.find("step or error"), std::string::npos) << message;
  EXPECT_NE(error_of(ErrorCode::protocol, [&] { check_expected(MessageType::query, 1001, kQuery); }).find("1001"),
            std::string::npos);
  error_of(ErrorCode::protocol, [&] { check_expected(MessageType::query, ~std::uint64_t{0}, kQuery); });
  EXPECT_NO_THROW(check_expected(MessageType::query, 1000, kQuery));
}

TEST(Frame, RandomBytesNeverPass) {
  std::mt19937_64 engine(1);
  for (int i = 0; i < 10000; ++i) {
    std::array<std::byte, kHeaderBytes> bytes;
    for (auto& b : bytes) b = static_cast<std::byte>(engine());
    if (i % 2) std::copy_n(encode_header(MessageType::query, 0).begin(), 6, bytes.begin());
    EXPECT_THROW(
        {
          const FrameHeader header = parse_header(bytes);
          check_expected(header.type, header.length, kQuery);
        },
        Error);
  }
}

// However a stream cuts its bytes, the same messages come out.
TEST(FrameReader, PutsMessagesTogetherFromAnyPieces) {
  std::mt19937_64 engine(2);
  Bytes stream;
  std::vector<std::size_t> lengths = {0, 1, 15, 16, 17, 100'000, 0, 40'000};
  for (const std::size_t length : lengths) {
    const auto header = encode_header(MessageType::query, length);
    stream.insert(stream.end(), header.begin(), header.end());
    for (std::size_t i = 0; i < length; ++i) stream.push_back(static_cast<std::byte>(i * 7 + length));
  }
  for (int trial = 0; trial < 50; ++trial) {
    FrameReader reader;
    std::size_t at = 0, seen = 0, headers = 0;
    while (seen < lengths.size()) {
      const auto space = reader.space();
      ASSERT_FALSE(space.empty());
      EXPECT_LE(space.size(), std::max<std::size_t>(16384, 2 * 100'000));
      const std::size_t n = std::min({space.size(), stream.size() - at, std::size_t{1} + engine() % 5000});
      ASSERT_GT(n, 0u);
      std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), n, space.begin());
      at += n;
      if (const auto header = reader.commit(n)) {
        EXPECT_EQ(header->length, lengths[headers++]);
      }
      if (!reader.complete()) continue;
      const protocol::Message message = reader.take();
      ASSERT_EQ(message.payload.size(), lengths[seen]);
      for (std::size_t i = 0; i < message.payload.size(); ++i)
        ASSERT_EQ(message.payload[i], static_cast<std::byte>(i * 7 + lengths[seen]));
      ++seen;
      EXPECT_TRUE(reader.between_messages());
    }
    EXPECT_EQ(at, stream.size());
  }
}

// Who announces much and sends little costs little.
TEST(FrameReader, MakesRoomAsBytesArrive) {
  FrameReader reader;
  const auto header = encode_header(MessageType::query, std::uint64_t{1} << 40);
  std::copy(header.begin(), header.end(), reader.space().begin());
  EXPECT_EQ(reader.commit(kHeaderBytes)->length, std::uint64_t{1} << 40);
  EXPECT_LE(reader.space().size(), std::size_t{1} << 16);
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
  const auto header = encode_header(MessageType::query, 100);
  for (const std::size_t sent : {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{115}}) {
    Ends ends;
    Bytes bytes(header.begin(), header.end());
    bytes.resize(sent);
    ends.raw->write(bytes, in(std::chrono::seconds(1)));
    ends.raw->close();
    const std::string message =
        error_of(ErrorCode::network, [&] { ends.connection->receive(kQuery, in(std::chrono::seconds(1))); });
    EXPECT_NE(message.find("middle of a message"), std::string::npos) << message;
  }
}

TEST(StreamConnection, CloseBetweenFramesIsNotTheSame) {
  Ends ends;
  ends.raw->close();
  EXPECT_THROW(ends.connection->receive(kQuery, in(std::chrono::seconds(1))), ConnectionClosed);
}

TEST(StreamConnection, DeadlinesEndWaiting) {
  Ends ends;
  const auto header = encode_header(MessageType::query, 100);
  ends.raw->write(header, in(std::chrono::seconds(1)));
  const auto start = Clock::now();
  const std::string message =
      error_of(ErrorCode::network, [&] { ends.connection->receive(kQuery, in(std::chrono::milliseconds(50))); });
  EXPECT_NE(message.find("time-out"), std::string::npos) << message;
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
  // Nobody reads: sending does not wait for ever either.
  const Bytes large(4 << 20);
  error_of(ErrorCode::network,
           [&] { ends.connection->send(MessageType::query, large, in(std::chrono::milliseconds(50))); });
}

}  // namespace
}  // namespace thex::transport
