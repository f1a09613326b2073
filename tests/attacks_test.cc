// What one client, or many, may try against a server process and the others: who is honest is served all the same, and
// the server stays within its bounds and ends when it is told to.
#include <sys/resource.h>

#include <fstream>

#include "tests/support/cli_world.h"
#include "tests/support/error_code.h"
#include "thex/base/sanitizers.h"
#include "thex/client/key_files.h"
#include "thex/client/model.h"
#include "thex/client/query.h"
#include "thex/transport/session.h"
#include "thex/transport/tcp.h"

namespace thex::testing {
namespace {

using client::ClientKeys;
using client::ClientModel;
using protocol::Bytes;
using protocol::Expected;
using protocol::MessageType;
using transport::Connection;
using transport::Session;
using namespace std::chrono_literals;

constexpr Expected kInfo[] = {{MessageType::server_info, protocol::kMaxInfoBytes}};
constexpr Expected kError[] = {{MessageType::error, protocol::kMaxErrorBytes}};

const ClientModel& the_model() {
  static const ClientModel model = client::load_client_model(CliWorld::instance().model(), 128);
  return model;
}

ClientKeys make_keys(const std::string& name) {
  return client::generate_keys(the_model().plan, CliWorld::instance().folder() / name, true);
}

const ClientKeys& the_keys() {
  static const ClientKeys keys = make_keys("attack-keys");
  return keys;
}

std::unique_ptr<Connection> connect(const RunningServer& server, const std::string& from = "") {
  return transport::connect_tcp(server.address, 10s, from);
}

// A connection that has said hello.
std::unique_ptr<Connection> greeted(const RunningServer& server, const protocol::KeyFingerprint& keys,
                                    const std::string& from = "") {
  auto c = connect(server, from);
  c->send(MessageType::hello, encode(protocol::Hello{protocol::fingerprint(the_model().plan), {}, keys}), in(10s));
  c->receive(kInfo, in(10s));
  return c;
}

const protocol::Message& question() {
  static const protocol::Message message = [] {
    const auto encoding = the_model().encode("a film");
    return client::ClientQuery(the_model(), the_keys(), std::span(&encoding, 1), 1).first();
  }();
  return message;
}

void ask(Connection& c) { c.send(question().type, question().payload, in(10s)); }

Expected first_step() {
  const auto encoding = the_model().encode("a film");
  return client::ClientQuery(the_model(), the_keys(), std::span(&encoding, 1), 1).expected();
}

// An honest client with keys of its own is served, however long the machine takes.
void expect_served(const RunningServer& server, const ClientKeys& keys = the_keys(), const std::string& from = "") {
  Session session(connect(server, from), the_model(), keys, {.threads = 1});
  EXPECT_EQ(session.classify("a good film").logits.size(), 2u);
}

std::size_t status_of(pid_t pid, const std::string& field) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(field, 0) == 0) return std::stoull(line.substr(field.size()));
  return 0;
}

std::size_t sockets_of(pid_t pid) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code error;
    count += std::filesystem::read_symlink(entry.path(), error).string().starts_with("socket:") ? 1 : 0;
  }
  return count;
}

template <typename Condition>
bool soon(Condition&& condition) {
  for (const Deadline end = in(30s); Clock::now() < end; std::this_thread::sleep_for(10ms))
    if (condition()) return true;
  return condition();
}

Json stop(RunningServer& server) {
  server.process->kill(SIGTERM);
  EXPECT_EQ(server.process->wait(), 0) << server.process->errors;
  const std::string& output = server.process->output;
  if (output.empty()) return Json::object();
  const std::size_t last = output.rfind('\n', output.size() - 2);
  return Json::parse(last == std::string::npos ? output : output.substr(last + 1), nullptr, false);
}

TEST(Attacks, SlowUploadsDoNotShutOutNewClients) {
  const RunningServer server;
  std::vector<std::unique_ptr<Connection>> slow;
  for (std::uint8_t i = 0; i < 3; ++i) {
    slow.push_back(greeted(server, {i}));
    slow.back()->send(MessageType::keys_offer, {}, in(10s));
    slow.back()->send(MessageType::keys_chunk, Bytes(1), in(10s));
  }
  expect_served(server);
}

TEST(Attacks, IdleClientsDoNotHoldMemory) {
  const std::size_t set = the_model().plan.circuits.key_bytes_memory;
  const std::size_t megabytes = set * 3 / 2 / 1048576 + 1;
  const RunningServer server({"--key-memory", std::to_string(megabytes), "--memory", std::to_string(megabytes + 700)});
  std::vector<ClientKeys> keys;
  std::vector<std::unique_ptr<Session>> idle;
  std::size_t after_first = 0;
  for (int i = 0; i < 6; ++i) {
    keys.reserve(6);
    keys.push_back(make_keys("idle" + std::to_string(i)));
    idle.push_back(std::make_unique<Session>(connect(server), the_model(), keys.back()));
    if (i == 0) after_first = status_of(server.process->pid(), "VmRSS:") * 1024;
  }
  EXPECT_LE(status_of(server.process->pid(), "VmRSS:") * 1024, after_first + 2 * set)
      << "one set is kept, and one may be on its way";
  EXPECT_EQ(idle[0]->classify("good").logits.size(), 2u) << "keys that were dropped are sent again";
}

// A server that gets no further thread serves on with those that it has. Run as a user of its own, whose threads the
// system counts: first to see how many it takes, then with no more than that.
TEST(Attacks, WithoutThreadsToBeHadTheServerGoesOn) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can run the server as another user";
  if (!std::filesystem::exists("/usr/bin/setpriv")) GTEST_SKIP() << "no setpriv";
  for (const auto& path : {CliWorld::instance().folder(), std::filesystem::path(CliWorld::instance().model())})
    std::filesystem::permissions(path, std::filesystem::perms(0755));
  std::size_t threads = 0;
  for (const bool limited : {false, true}) {
    const std::string limit = limited ? "ulimit -u " + std::to_string(threads) + "; " : "";
    Process server({"/bin/sh", "-c",
                    limit + "exec /usr/bin/setpriv --reuid=42424 --regid=42424 --clear-groups " +
                        CliWorld::program("thex-server") + " --model " + CliWorld::instance().model() +
                        " --threads 2 --listen 127.0.0.1:0 --json"},
                   CliWorld::instance().environment());
    const Json ready = Json::parse(server.line(), nullptr, false);
    ASSERT_TRUE(ready.is_object()) << server.errors;
    const std::string address = ready["listening"];
    std::vector<std::unique_ptr<Connection>> many;
    for (int i = 0; i < 40; ++i) many.push_back(transport::connect_tcp(address, 10s));
    Session session(transport::connect_tcp(address, 10s), the_model(), the_keys());
    if (!limited) threads = status_of(server.pid(), "Threads:");
    EXPECT_EQ(status_of(server.pid(), "Threads:"), threads) << "a connection takes none";
    EXPECT_EQ(session.classify("good").logits.size(), 2u);
    server.kill(SIGTERM);
    EXPECT_EQ(server.wait(), 0) << server.errors;
  }
  EXPECT_LE(threads, 6u);
}

// No memory for the ciphertexts of a query is a reason to come again, and no fault of the server.
TEST(Attacks, WithoutMemoryToBeHadAClientIsToldToComeAgain) {
#if THEX_ADDRESS_SANITIZER || THEX_THREAD_SANITIZER
  GTEST_SKIP() << "a sanitizer ends the process";
#endif
  RunningServer server;
  { const Session brings_keys(connect(server), the_model(), the_keys()); }
  const pid_t pid = server.process->pid();
  // Room for messages, and none for a block of the pool, which takes eight megabytes from the system at least.
  const rlimit none{(status_of(pid, "VmSize:") << 10) + (std::size_t{6} << 20), RLIM_INFINITY},
      all{RLIM_INFINITY, RLIM_INFINITY};
  ASSERT_EQ(::prlimit(pid, RLIMIT_AS, &none, nullptr), 0);
  const ErrorCode code = support::code_of([&] {
    Session session(connect(server), the_model(), the_keys(), {.timeout = 30s, .patience = 1s});
    session.classify("it is a dull movie ! the film was not good and not very beautiful");
  });
  EXPECT_EQ(code, ErrorCode::busy);
  ASSERT_EQ(::prlimit(pid, RLIMIT_AS, &all, nullptr), 0);
  expect_served(server);
}

TEST(Attacks, WithoutDescriptorsToBeHadTheServerGoesOn) {
  const RunningServer server;
  const rlimit few{40, 40};
  ASSERT_EQ(::prlimit(server.process->pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  std::vector<std::unique_ptr<Connection>> many;
  for (int i = 0; i < 80; ++i) many.push_back(connect(server));
  many.clear();
  expect_served(server);
}

TEST(Attacks, StalledClientsDoNotStopQueries) {
  const RunningServer server;
  expect_served(server);
  std::vector<std::unique_ptr<Connection>> stalled;
  const Expected step[] = {first_step()};
  for (int i = 0; i < 4; ++i) {
    stalled.push_back(greeted(server, the_keys().fingerprint));
    ask(*stalled.back());
  }
  for (auto& c : stalled) c->receive(step, in(60s));  // and says nothing any more
  expect_served(server);
}

TEST(Attacks, AbandonedQueriesAreNotComputed) {
  RunningServer server({"--max-queries", "1"});
  expect_served(server);
  for (int i = 0; i < 20; ++i) ask(*greeted(server, the_keys().fingerprint));
  expect_served(server);
  const Json end = stop(server);
  EXPECT_EQ(end["queries"], 2) << end.dump();
}

TEST(Attacks, StoppingRefusesWhatWaitsAndEndsInTime) {
  RunningServer server({"--max-queries", "1", "--stop-grace", "1"});
  expect_served(server);
  std::vector<std::unique_ptr<Connection>> waiting;
  for (int i = 0; i < 12; ++i) {
    waiting.push_back(greeted(server, the_keys().fingerprint));
    ask(*waiting.back());
  }
  stop(server);
  int told = 0;
  const Expected either[] = {first_step(), kError[0]};
  for (auto& c : waiting) {
    try {
      protocol::Message message = c->receive(either, in(10s));
      if (message.type != MessageType::error) message = c->receive(kError, in(10s));
      told += protocol::parse_error(message.payload).text.find("stopping") != std::string::npos ? 1 : 0;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
  EXPECT_EQ(told, 12);
}

TEST(Attacks, SocketsOfEndedSessionsAreClosed) {
  const RunningServer server;
  const std::size_t before = sockets_of(server.process->pid());
  for (int i = 0; i < 20; ++i) {
    const auto c = greeted(server, {});
    c->send(MessageType::step_reply, Bytes(10), in(10s));
    EXPECT_NE(protocol::parse_error(c->receive(kError, in(10s)).payload).text.find("step_reply"), std::string::npos);
  }
  EXPECT_TRUE(soon([&] { return sockets_of(server.process->pid()) <= before; }))
      << sockets_of(server.process->pid()) << " sockets instead of " << before;
}

TEST(Attacks, SilentConnectionsDoNotRefuseEveryone) {
  const RunningServer server({"--max-connections", "32", "--hello-timeout", "3600"});
  std::vector<std::unique_ptr<Connection>> silent;
  for (int i = 0; i < 32; ++i) silent.push_back(connect(server));
  expect_served(server);
}

// One address with many connections gets its turns, and no more.
TEST(Attacks, ManyConnectionsOfOneAddressDoNotStarveAnother) {
  const RunningServer server({"--max-queries", "1"});
  expect_served(server);
  std::atomic<bool> over{false};
  std::atomic<int> greedy_answers{0};
  std::vector<std::thread> greedy;
  for (int i = 0; i < 12; ++i) {
    greedy.emplace_back([&] {
      Session session(connect(server, "127.0.0.2"), the_model(), the_keys(), {.threads = 1});
      while (!over) {
        session.classify("a film");
        ++greedy_answers;
      }
    });
  }
  EXPECT_TRUE(soon([&] { return greedy_answers > 0; }));
  Session honest(connect(server, "127.0.0.3"), the_model(), the_keys(), {.threads = 1});
  const int before = greedy_answers;
  constexpr int kQueries = 3;
  for (int i = 0; i < kQueries; ++i) EXPECT_EQ(honest.classify("a good film").logits.size(), 2u);
  // Round robin: between two turns of the honest one there is one of the others; those that were open at the start end
  // as well.
  EXPECT_LE(greedy_answers - before, 2 * kQueries + 12);
  over = true;
  for (auto& thread : greedy) thread.join();
}

}  // namespace
}  // namespace thex::testing
