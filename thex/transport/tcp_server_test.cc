// The service on real sockets of the loopback device.
#include "thex/transport/tcp_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/support/service_world.h"
#include "thex/client/query.h"
#include "thex/transport/frame.h"
#include "thex/transport/session.h"
#include "thex/transport/tcp.h"

namespace thex::transport {
namespace {

using protocol::Expected;
using protocol::MessageType;
using support::error_of;
using testing::ServiceWorld;
using namespace std::chrono_literals;

const ServiceWorld& world() { return testing::the_x_world(); }

class Running {
 public:
  explicit Running(server::ServiceOptions options = {}, TcpServerOptions tcp = {})
      : service(world().make_service(std::move(options))), server_("127.0.0.1:0") {
    thread_ = std::thread([this, tcp] { server_.serve(*service, tcp); });
  }
  ~Running() { stop(); }
  void stop() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }
  std::unique_ptr<Connection> connect() const { return connect_tcp(server_.address(), 5s); }
  std::string address() const { return server_.address(); }
  void ask_to_stop() { server_.stop(); }

  const std::unique_ptr<server::Service> service;

 private:
  TcpServer server_;
  std::thread thread_;
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

template <typename Condition>
bool soon(Condition&& condition) {
  for (const Deadline end = in(20s); Clock::now() < end; std::this_thread::sleep_for(5ms))
    if (condition()) return true;
  return condition();
}

std::string reason(Connection& connection) {
  const Expected error[] = {{MessageType::error, protocol::kMaxErrorBytes}};
  return protocol::parse_error(connection.receive(error, in(10s)).payload).text;
}

// A client whose turn it is in a query that has begun.
std::unique_ptr<Connection> begin_query(const Running& running) {
  { const Session brings_keys(running.connect(), *world().client, *world().keys); }
  auto c = running.connect();
  c->send(MessageType::hello,
          encode(protocol::Hello{protocol::fingerprint(world().client->plan), {}, world().keys->fingerprint}), in(5s));
  const Expected info[] = {{MessageType::server_info, protocol::kMaxInfoBytes}};
  c->receive(info, in(5s));
  const auto encoding = world().client->encode("bad");
  const client::ClientQuery query(*world().client, *world().keys, std::span(&encoding, 1), 1);
  c->send(MessageType::query, query.first().payload, in(5s));
  const Expected step[] = {query.expected()};
  c->receive(step, in(60s));
  return c;
}

TEST(TcpServer, ServesSeveralClientsAtOnceAndStops) {
  Running running;
  std::vector<std::thread> clients;
  for (const char* text : {"a good film", "a very dull movie", "it was beautiful"}) {
    clients.emplace_back([&, text] {
      Session session(running.connect(), *world().client, *world().keys);
      const auto expected = world().clear_logits(text);
      for (int i = 0; i < 2; ++i) EXPECT_NEAR(session.classify(text).logits[0], expected[0], 1e-2);
    });
  }
  for (auto& client : clients) client.join();
  Session idle(running.connect(), *world().client, *world().keys);
  const std::string address = running.address();
  running.stop();
  EXPECT_EQ(running.address(), address) << "it is still known where it was";
  EXPECT_EQ(running.service->statistics().failures, 0u) << "being sent away is none";
  const std::string message = error_of(ErrorCode::busy, [&] { idle.classify("good"); });
  EXPECT_NE(message.find("stopping"), std::string::npos) << message;
  EXPECT_EQ(running.service->statistics().queries, 6u);
}

TEST(TcpServer, WhoIsNotLetInIsToldWhy) {
  server::ServiceOptions options;
  options.limits.sessions = 1;
  Running running(options);
  const Session first(running.connect(), *world().client, *world().keys);
  const std::string message =
      error_of(ErrorCode::busy, [&] { Session(running.connect(), *world().client, *world().keys); });
  EXPECT_NE(message.find("serves 1 clients already"), std::string::npos) << message;
}

TEST(TcpServer, SocketsOfEndedSessionsAreClosedAtOnce) {
  Running running({}, {.linger = 50ms});
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 10; ++i) {
    const auto garbage = running.connect();
    garbage->send(MessageType::result, protocol::Bytes(10), in(5s));
    EXPECT_NE(reason(*garbage).find("result"), std::string::npos);
    running.connect();  // and leaves without a word
  }
  EXPECT_TRUE(soon([&] { return open_descriptors() == before; })) << open_descriptors() << " instead of " << before;
  EXPECT_EQ(running.service->statistics().open_sessions, 0u);
}

// A client that sends without reading still gets to know why it is not wanted.
TEST(TcpServer, AClientThatOnlySendsGetsTheReason) {
  Running running;
  const auto c = running.connect();
  const protocol::Hello hello{protocol::fingerprint(world().client->plan), {}, {}};
  c->send(MessageType::hello, encode(hello), in(5s));
  c->send(MessageType::keys_chunk, protocol::Bytes(1000), in(5s));  // without an offer
  for (int i = 0; i < 50; ++i) c->send(MessageType::keys_chunk, protocol::Bytes(100'000), in(5s));
  const Expected info[] = {{MessageType::server_info, protocol::kMaxInfoBytes}};
  c->receive(info, in(5s));
  EXPECT_NE(reason(*c).find("keys_chunk"), std::string::npos);
}

// The end of a session comes in the middle of writing to a client that does not read; its socket is closed all the
// same.
TEST(TcpServer, AClientThatNeverReadsDoesNotKeepItsSocket) {
  server::ServiceOptions options;
  options.limits.uploads_each = 0;  // so every offer is answered at once
  Running running(options, {.linger = 50ms});
  const auto c = running.connect();
  const std::size_t before = open_descriptors();  // both ends among them, as soon as it is accepted
  c->send(MessageType::hello, encode(protocol::Hello{protocol::fingerprint(world().client->plan), {}, {}}), in(20s));
  const Expected info[] = {{MessageType::server_info, protocol::kMaxInfoBytes}};
  c->receive(info, in(20s));
  const std::size_t both = open_descriptors();
  EXPECT_GE(both, before);
  try {
    for (int i = 0; i < 200'000; ++i) c->send(MessageType::keys_offer, {}, in(20s));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::network) << error.what();  // hung up on
  }
  EXPECT_TRUE(soon([&] { return open_descriptors() == both - 1; }))
      << open_descriptors() << ", with both ends " << both;
  EXPECT_EQ(running.service->statistics().open_sessions, 0u);
  EXPECT_EQ(running.service->statistics().memory, 0u);
}

TEST(TcpServer, AClientOfAnotherVersionGetsAClearError) {
  Running running;
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const HostPort parts = split_address(running.address());
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(parts.port)));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  auto old = encode_header(MessageType::hello, 48);
  old[4] = std::byte{1};
  ASSERT_EQ(::send(fd, old.data(), old.size(), MSG_NOSIGNAL), static_cast<ssize_t>(old.size()));
  std::string answer;
  char buffer[1000];
  for (ssize_t n; (n = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, static_cast<std::size_t>(n));
  ::close(fd);
  EXPECT_NE(answer.find("version 1, this program version " + std::to_string(protocol::kProtocolVersion)),
            std::string::npos);
  EXPECT_NE(answer.find("the same release"), std::string::npos);
}

TEST(TcpServer, SilentConnectionsShutNobodyOut) {
  server::ServiceOptions options;
  options.limits.sessions = 8;
  options.limits.hello_timeout = 1h;
  Running running(options);
  std::vector<std::unique_ptr<Connection>> silent;
  for (int i = 0; i < 30; ++i) silent.push_back(running.connect());
  Session session(running.connect(), *world().client, *world().keys);
  EXPECT_EQ(session.classify("good").logits.size(), 2u);
  EXPECT_LE(running.service->statistics().open_sessions, 8u);
}

TEST(TcpServer, AClientThatHangsUpCancelsItsQuery) {
  Running running;
  { const auto c = begin_query(running); }
  EXPECT_TRUE(soon([&] { return running.service->statistics().open_sessions == 0; }));
  EXPECT_EQ(running.service->statistics().cancelled, 1u);
}

TEST(TcpServer, TakenAndBadAddresses) {
  const TcpServer first("127.0.0.1:0");
  EXPECT_NE(error_of(ErrorCode::network, [&] { TcpServer second(first.address()); }).find("cannot listen on"),
            std::string::npos);
  error_of(ErrorCode::usage, [] { TcpServer("nowhere"); });
}

// Whoever asks twice does not want to wait for the queries that have begun.
TEST(TcpServer, AskedTwiceItStopsWithoutGrace) {
  Running running({}, {.stop_grace = 1h});
  const auto c = begin_query(running);
  running.ask_to_stop();
  EXPECT_TRUE(soon([&] {  // it stops: nobody is let in any more
    try {
      running.connect();
      return false;
    } catch (const Error&) {
      return true;
    }
  }));
  EXPECT_EQ(running.service->statistics().open_queries, 1u);
  running.stop();
  EXPECT_EQ(running.service->statistics().cancelled, 1u);
  EXPECT_NE(reason(*c).find("stopping"), std::string::npos);
}

// Asked to stop before it serves: it does not begin.
TEST(TcpServer, StopsAtOnceWhenNobodyIsThere) {
  const auto service = world().make_service();
  TcpServer server("127.0.0.1:0");
  server.stop();
  server.serve(*service, {});
  EXPECT_TRUE(service->drained());
}

}  // namespace
}  // namespace thex::transport
