// The same conversation over every transport.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "tests/support/models.h"
#include "thex/transport/frame.h"
#include "thex/transport/memory.h"
#include "thex/transport/tcp.h"

namespace thex::transport {
namespace {

using support::error_of;
using namespace std::chrono_literals;

struct Pair {
  std::unique_ptr<Connection> client, server;
};

Pair memory_pair() {
  auto [a, b] = connect_in_memory();
  return {std::move(a), std::move(b)};
}

Pair tcp_pair() {
  const auto listener = listen_tcp("127.0.0.1:0");
  Pair pair;
  std::thread accepting([&] { pair.server = listener->accept(); });
  pair.client = connect_tcp(listener->address(), 5s);
  accepting.join();
  return pair;
}

class Transport : public ::testing::TestWithParam<Pair (*)()> {};

TEST_P(Transport, CarriesFramesBothWays) {
  Pair pair = GetParam()();
  const protocol::Expected expected[] = {{protocol::MessageType::query, 8 << 20}};
  protocol::Bytes large(5'000'001);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<std::byte>(i * 31 >> 3);
  for (const protocol::Bytes& payload :
       {protocol::Bytes{}, protocol::Bytes(1), protocol::Bytes(64), protocol::Bytes(65), large}) {
    std::thread sending([&] { pair.client->send(protocol::MessageType::query, payload, in(10s)); });
    const protocol::Message frame = pair.server->receive(expected, in(10s));
    sending.join();
    EXPECT_EQ(frame.type, protocol::MessageType::query);
    EXPECT_TRUE(frame.payload == payload) << payload.size();
  }
  EXPECT_EQ(pair.client->bytes_sent(), pair.server->bytes_received());
  EXPECT_EQ(pair.client->bytes_sent(), 5 * kHeaderBytes + 1 + 64 + 65 + large.size());
  pair.server->send(protocol::MessageType::query, protocol::Bytes(3), in(1s));
  EXPECT_EQ(pair.client->receive(expected, in(1s)).payload.size(), 3u);
}

TEST_P(Transport, ClosingWakesTheOtherThread) {
  Pair pair = GetParam()();
  const protocol::Expected expected[] = {{protocol::MessageType::query, 10}};
  std::thread waiting([&] { EXPECT_THROW(pair.server->receive(expected, in(60s)), Error); });
  std::this_thread::sleep_for(20ms);
  pair.server->close();
  waiting.join();
  EXPECT_THROW(pair.client->receive(expected, in(5s)), ConnectionClosed);
}

INSTANTIATE_TEST_SUITE_P(Memory, Transport, ::testing::Values(memory_pair));
INSTANTIATE_TEST_SUITE_P(Tcp, Transport, ::testing::Values(tcp_pair));

TEST(Tcp, NobodyThere) {
  std::string address;
  { address = listen_tcp("127.0.0.1:0")->address(); }
  const std::string message = error_of(ErrorCode::network, [&] { connect_tcp(address, 5s); });
  EXPECT_NE(message.find("no server at " + address), std::string::npos) << message;
}

TEST(Tcp, BadAddresses) {
  for (const char* address :
       {"", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:port", "127.0.0.1:65536", "127.0.0.1:-1"}) {
    error_of(ErrorCode::usage, [&] { connect_tcp(address, 1s); });
  }
}

TEST(Tcp, TakenPort) {
  const auto listener = listen_tcp("127.0.0.1:0");
  const std::string message = error_of(ErrorCode::network, [&] { listen_tcp(listener->address()); });
  EXPECT_NE(message.find("cannot listen on"), std::string::npos) << message;
}

TEST(Tcp, StopEndsAccept) {
  const auto listener = listen_tcp("127.0.0.1:0");
  std::thread stopping([&] {
    std::this_thread::sleep_for(20ms);
    listener->stop();
  });
  EXPECT_EQ(listener->accept(), nullptr);
  stopping.join();
  EXPECT_EQ(listener->accept(), nullptr);
}

}  // namespace
}  // namespace thex::transport
