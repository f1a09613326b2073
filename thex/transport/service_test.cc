// What the service decides, on a clock that the test sets: nothing here waits.
#include "thex/server/service.h"

#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/service_world.h"
#include "thex/base/memory.h"
#include "thex/client/query.h"
#include "thex/protocol/message_sizes.h"
#include "thex/ring/memory_pool.h"

namespace thex::server {
namespace {

using protocol::Bytes;
using protocol::ByteView;
using protocol::Message;
using protocol::MessageType;
using support::error_of;
using testing::ServiceWorld;
using testing::the_x_world;
using namespace std::chrono_literals;

struct FalseClock {
  Time now = Time(1h);
  TimeSource source() {
    return [this] { return now; };
  }
};

class Mailbox : public Carrier {
 public:
  void send(Message message, Reservation memory) noexcept override {
    messages.push_back({std::move(message), std::move(memory)});
  }
  void finish() noexcept override { finished = true; }
  std::deque<HeldMessage> messages;
  bool finished = false;
};

// A client by hand: sends what the test says and looks at what has come.
class Peer {
 public:
  Peer(Service& service, const std::string& principal)
      : service_(service), box_(std::make_shared<Mailbox>()), id_(service.open(principal, principal, box_)) {}

  void send(const Message& message) {
    if (service_.announce(id_, message.type, message.payload.size()) && service_.arrived(id_, message.payload.size()))
      service_.deliver(id_, message);
  }
  void announce(MessageType type, std::size_t length) { service_.announce(id_, type, length); }
  bool arrive(std::size_t bytes) { return service_.arrived(id_, bytes); }
  void leave() { service_.close(id_); }
  void fail(const Error& error) { service_.fail(id_, error); }

  // The next message; ERROR with no text when none has come.
  Message next() {
    if (box_->messages.empty()) return {MessageType::error, {}};
    Message message = std::move(box_->messages.front().message);
    box_->messages.pop_front();
    service_.sent(id_, message.payload.size());
    return message;
  }
  // What has come, by name, and nothing else: "step", "busy ...", "error ...".
  std::string said() {
    if (box_->messages.empty()) return "nothing";
    const Message message = next();
    if (message.type == MessageType::error) return "error " + protocol::parse_error(message.payload).text;
    if (message.type == MessageType::busy) return "busy " + protocol::parse_busy(message.payload).text;
    return std::string(protocol::name(message.type));
  }
  bool finished() const { return box_->finished; }

  std::string greet(const client::ClientKeys& keys, const model::ModelDigests& parts = {}) {
    send(
        {MessageType::hello, encode(protocol::Hello{protocol::fingerprint(service_.plan()), parts, keys.fingerprint})});
    return said();
  }
  // All of the keys; returns what is said at the end.
  std::string upload(const client::ClientKeys& keys) {
    send({MessageType::keys_offer, {}});
    if (const std::string answer = said(); answer != "keys_wanted") return answer;
    const std::string bytes = keys.evaluation_keys();
    const ByteView view = std::as_bytes(std::span(bytes.data(), bytes.size()));
    for (std::size_t at = 0; at < view.size(); at += protocol::kMaxChunkBytes) {
      const ByteView part = view.subspan(at, std::min<std::size_t>(protocol::kMaxChunkBytes, view.size() - at));
      send({MessageType::keys_chunk, Bytes(part.begin(), part.end())});
    }
    while (service_.work()) {
    }
    return said();
  }

 private:
  Service& service_;
  std::shared_ptr<Mailbox> box_;
  const SessionId id_;
};

class ServiceTest : public ::testing::Test {
 protected:
  // One that holds the world's keys already.
  std::unique_ptr<Service> make(Limits limits = {}, const ServiceWorld& world = the_x_world()) {
    ServiceOptions options;
    options.limits = limits;
    options.threads = 1;
    options.now = clock_.source();
    auto service = world.make_service(options);
    Peer first(*service, "the first");
    EXPECT_EQ(first.greet(*world.keys), "server_info");
    EXPECT_EQ(first.upload(*world.keys), "keys_ready");
    first.leave();
    return service;
  }
  // A client of the world's keys that has said hello.
  Peer client(Service& service, const std::string& principal) {
    Peer peer(service, principal);
    EXPECT_EQ(peer.greet(*the_x_world().keys), "server_info");
    return peer;
  }
  static client::ClientQuery ask(const std::string& text = "a good film") {
    const auto encoding = the_x_world().client->encode(text);
    return client::ClientQuery(*the_x_world().client, *the_x_world().keys, std::span(&encoding, 1), 1);
  }
  static const Message& question() {
    static const Message message = ask().first();
    return message;
  }
  static std::size_t run_bytes(const encoder::InferencePlan& plan) {
    return plan.circuits.program_plans.at(0).working_bytes;
  }
  static void work(Service& service) {
    while (service.work()) {
    }
  }
  // Answers all rounds of a query; returns the last thing said.
  static std::string play(Service& service, Peer& peer, client::ClientQuery& query) {
    peer.send(query.first());
    while (true) {
      work(service);
      const Message message = peer.next();
      if (message.type != MessageType::step && message.type != MessageType::result)
        return std::string(protocol::name(message.type)) + ": " +
               std::string(reinterpret_cast<const char*>(message.payload.data()), message.payload.size());
      const auto reply = query.take(message);
      if (!reply) return "result";
      peer.send(*reply);
    }
  }

  FalseClock clock_;
};

TEST_F(ServiceTest, EveryLineOfTheLogSaysHowMuchItMatters) {
  const ServiceWorld& world = the_x_world();
  std::vector<std::pair<LogLevel, std::string>> lines;
  ServiceOptions options;
  options.threads = 1;
  options.now = clock_.source();
  options.limits.queued_each = 1;
  options.log = [&](LogLevel level, const std::string& line) { lines.emplace_back(level, line); };
  const auto service = world.make_service(options);
  const auto level_of = [&](const std::string& words) {
    for (const auto& [level, line] : lines)
      if (line.find(words) != std::string::npos) return std::optional(level);
    return std::optional<LogLevel>();
  };
  Peer first(*service, "a");
  EXPECT_EQ(first.greet(*world.keys), "server_info");
  EXPECT_EQ(first.upload(*world.keys), "keys_ready");
  client::ClientQuery query = ask();
  EXPECT_EQ(play(*service, first, query), "result");
  EXPECT_EQ(level_of("MB of keys"), LogLevel::info);
  EXPECT_EQ(level_of("prepared the circuit for 16 tokens"), LogLevel::info);
  EXPECT_EQ(level_of("a: answered a query of 16 tokens"), LogLevel::debug);
  EXPECT_EQ(lines.size(), 3u);

  first.send(question());
  Peer second = client(*service, "a");
  second.send(question());
  EXPECT_EQ(level_of("a: busy"), LogLevel::warning);
  second.send({MessageType::keys_chunk, Bytes(1)});
  EXPECT_EQ(level_of("keys_chunk"), LogLevel::warning);
  first.fail(Error(ErrorCode::internal, "a fault of our own"));
  EXPECT_EQ(level_of("a fault of our own"), LogLevel::error);
  EXPECT_EQ(lines.size(), 6u);
}

TEST_F(ServiceTest, AnswersAQueryAsValues) {
  const auto service = make();
  Peer peer = client(*service, "a");
  client::ClientQuery query = ask();
  EXPECT_EQ(play(*service, peer, query), "result");
  const auto expected = the_x_world().clear_logits("a good film");
  EXPECT_NEAR(query.answers().at(0).logits.at(0), expected[0], 1e-2);
  const ServiceStatistics s = service->statistics();
  EXPECT_EQ(s.queries, 1u);
  EXPECT_EQ(s.open_queries, 0u);
  EXPECT_EQ(s.memory, s.key_bytes + s.weight_bytes) << "all else was given back";
}

TEST_F(ServiceTest, AClientThatThinksHoldsNoThreadAndNobodyUp) {
  const auto service = make();
  std::vector<Peer> stalled;
  for (int i = 0; i < 4; ++i) {
    stalled.push_back(client(*service, "stalled" + std::to_string(i)));
    stalled.back().send(question());
  }
  work(*service);
  for (Peer& peer : stalled) EXPECT_EQ(peer.said(), "step");
  EXPECT_EQ(service->statistics().open_queries, 4u);
  Peer honest = client(*service, "honest");
  client::ClientQuery query = ask();
  EXPECT_EQ(play(*service, honest, query), "result");
  // Their turn ends.
  clock_.now += service->limits().turn_timeout + 1ms;
  service->tick();
  for (Peer& peer : stalled) {
    EXPECT_NE(peer.said().find("did not reply to a step"), std::string::npos);
    EXPECT_TRUE(peer.finished());
  }
  const ServiceStatistics s = service->statistics();
  EXPECT_EQ(s.open_queries, 0u);
  EXPECT_EQ(s.memory, s.key_bytes + s.weight_bytes);
}

TEST_F(ServiceTest, TurnsGoRoundRobinOverPrincipals) {
  Limits limits;
  limits.open_each = 100;
  const auto service = make(limits);
  std::vector<Peer> greedy;
  for (int i = 0; i < 6; ++i) {
    greedy.push_back(client(*service, "greedy"));
    greedy.back().send(question());
  }
  std::vector<Peer> others;
  for (int i = 0; i < 2; ++i) {
    others.push_back(client(*service, "other" + std::to_string(i)));
    others.back().send(question());
  }
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(service->work());
  EXPECT_EQ(greedy[0].said(), "step");
  EXPECT_EQ(greedy[1].said(), "nothing");
  for (Peer& peer : others) EXPECT_EQ(peer.said(), "step");
}

TEST_F(ServiceTest, OpenQueriesOfOnePrincipalAreBounded) {
  Limits limits;
  limits.open_each = 2;
  const auto service = make(limits);
  std::vector<Peer> greedy;
  for (int i = 0; i < 3; ++i) {
    greedy.push_back(client(*service, "greedy"));
    greedy.back().send(question());
  }
  Peer other = client(*service, "other");
  other.send(question());
  work(*service);
  EXPECT_EQ(greedy[2].said(), "nothing");
  EXPECT_EQ(other.said(), "step");
  greedy[0].leave();
  work(*service);
  EXPECT_EQ(greedy[2].said(), "step");
}

TEST_F(ServiceTest, QueuesAreBoundedAndWhoIsRefusedMayTryAgain) {
  Limits limits;
  limits.queued_each = 2;
  limits.queued = 3;
  const auto service = make(limits);
  std::vector<Peer> greedy;
  for (int i = 0; i < 3; ++i) {
    greedy.push_back(client(*service, "greedy"));
    greedy.back().send(question());
  }
  EXPECT_NE(greedy[2].said().find("busy: 2 queries from your address wait already"), std::string::npos);
  Peer a = client(*service, "a"), b = client(*service, "b");
  a.send(question());
  b.send(question());
  EXPECT_EQ(a.said(), "nothing");
  EXPECT_NE(b.said().find("busy: 3 queries wait already"), std::string::npos);
  work(*service);
  b.send(question());
  work(*service);
  EXPECT_EQ(b.said(), "step") << "the session went on";
  EXPECT_EQ(service->statistics().refused, 2u);
}

TEST_F(ServiceTest, AQueryWaitsForItsTurnOnlySoLong) {
  const auto service = make();
  Peer peer = client(*service, "a");
  peer.send(question());
  clock_.now += service->limits().queue_timeout - 1ms;
  service->tick();
  EXPECT_EQ(peer.said(), "nothing");
  clock_.now += 2ms;
  service->tick();
  EXPECT_NE(peer.said().find("busy"), std::string::npos);
  EXPECT_FALSE(peer.finished());
  work(*service);
  EXPECT_EQ(peer.said(), "nothing") << "it was taken out";
  peer.send(question());
  work(*service);
  EXPECT_EQ(peer.said(), "step");
}

TEST_F(ServiceTest, RunsAreAdmittedByMemory) {
  const encoder::InferencePlan& plan = the_x_world().client->plan;
  Limits limits;
  limits.key_memory = plan.circuits.key_bytes_memory * 11 / 10;
  limits.memory = limits.key_memory + protocol::key_bytes(plan) * 6 / 5 + 2 * run_bytes(plan);
  if (run_bytes(plan) == 0) GTEST_SKIP() << "the plan has no estimate of a run's memory";
  const auto service = make(limits);
  std::vector<Peer> open;
  bool waiting = false;
  while (!waiting && open.size() < 1000) {
    open.push_back(client(*service, "client" + std::to_string(open.size())));
    open.back().send(question());
    work(*service);
    waiting = open.back().said() == "nothing";
    EXPECT_LE(service->statistics().memory, limits.memory);
  }
  ASSERT_TRUE(waiting) << "there is room for any number of queries";
  ASSERT_GT(open.size(), 1u);
  // Later ones do not pass the one that waits, however long that takes.
  clock_.now += limits.patience + 1ms;
  Peer later = client(*service, "later");
  later.send(question());
  work(*service);
  EXPECT_EQ(later.said(), "nothing");
  open.front().leave();
  work(*service);
  EXPECT_EQ(open.back().said(), "step");
  EXPECT_EQ(later.said(), "nothing");
  open.back().leave();
  work(*service);
  EXPECT_EQ(later.said(), "step");
}

// Clients that think, or send slowly, hold the memory of their queries: not for ever while others wait for it.
TEST_F(ServiceTest, WhoThinksGivesMemoryBackWhenOthersNeedIt) {
  const encoder::InferencePlan& plan = the_x_world().client->plan;
  Limits limits;
  limits.key_memory = plan.circuits.key_bytes_memory * 11 / 10;
  limits.memory = limits.key_memory + protocol::key_bytes(plan) * 6 / 5 + 2 * run_bytes(plan);
  limits.open_each = 1000;
  limits.transfer_grace = 1h;
  ASSERT_LT(limits.short_turns, limits.turn_timeout);
  const auto service = make(limits);
  std::vector<Peer> stalled;
  do {
    stalled.push_back(client(*service, "stalled"));
    stalled.back().send(question());
    work(*service);
  } while (stalled.back().said() == "step" && stalled.size() < 1000);
  stalled.back().leave();
  stalled.pop_back();
  ASSERT_GT(stalled.size(), 0u);
  const auto sizes = protocol::fresh_sizes(plan, 0, 1);
  stalled[0].announce(MessageType::step_reply, protocol::message_bytes(sizes));
  clock_.now += limits.short_turns + 1ms;
  EXPECT_TRUE(stalled[0].arrive(protocol::message_bytes(sizes) / 2)) << "it sends in time, and not all";
  service->tick();
  for (Peer& peer : stalled) EXPECT_FALSE(peer.finished()) << "nobody waits";
  Peer honest = client(*service, "honest");
  honest.send(question());
  work(*service);
  EXPECT_EQ(honest.said(), "nothing") << "there is no room";
  clock_.now += limits.patience + 1ms;
  work(*service);
  service->tick();
  for (Peer& peer : stalled) EXPECT_NE(peer.said().find("while others waited"), std::string::npos);
  work(*service);
  EXPECT_EQ(honest.said(), "step");
}

TEST_F(ServiceTest, ASlowUploadEndsWhateverItsPieces) {
  const auto service = make();
  const client::ClientKeys other = the_x_world().make_keys("slow");
  Peer silent(*service, "silent"), dripping(*service, "dripping"), steady(*service, "steady");
  for (Peer* peer : {&silent, &dripping, &steady}) {
    EXPECT_EQ(peer->greet(other), "server_info");
    peer->send({MessageType::keys_offer, {}});
    EXPECT_EQ(peer->said(), "keys_wanted");
  }
  steady.announce(MessageType::keys_chunk, protocol::kMaxChunkBytes);
  for (int second = 1; second <= 12; ++second) {
    clock_.now += 1s;
    dripping.send({MessageType::keys_chunk, Bytes(1)});
    EXPECT_TRUE(steady.arrive(service->limits().least_rate));
    service->tick();
    EXPECT_EQ(silent.finished(), second >= 10) << second;
    EXPECT_EQ(dripping.finished(), second > 10) << second;
  }
  EXPECT_NE(silent.said().find("keys came too slowly"), std::string::npos);
  EXPECT_NE(dripping.said().find("too slowly"), std::string::npos);
  EXPECT_FALSE(steady.finished()) << "at the least rate it may go on";
  steady.leave();
  const ServiceStatistics s = service->statistics();
  EXPECT_EQ(s.memory, s.key_bytes + s.weight_bytes);
}

TEST_F(ServiceTest, StalledUploadsShutNobodyOut) {
  const auto service = make();
  const client::ClientKeys other = the_x_world().make_keys("other");
  std::vector<Peer> stalled;
  for (int i = 0; i < 8; ++i) {
    stalled.emplace_back(*service, "stalled" + std::to_string(i));
    EXPECT_EQ(stalled.back().greet(other), "server_info");
    stalled.back().send({MessageType::keys_offer, {}});
    stalled.back().send({MessageType::keys_chunk, Bytes(1)});
  }
  Peer honest(*service, "honest");
  EXPECT_EQ(honest.greet(other), "server_info");
  EXPECT_EQ(honest.upload(other), "keys_ready");
}

TEST_F(ServiceTest, UploadsOfOnePrincipalAreBounded) {
  Limits limits;
  limits.uploads_each = 1;
  const auto service = make(limits);
  Peer a = client(*service, "a"), b = client(*service, "a"), c = client(*service, "c");
  for (Peer* peer : {&a, &b, &c}) peer->send({MessageType::keys_offer, {}});
  EXPECT_EQ(a.said(), "keys_wanted");
  EXPECT_NE(b.said().find("busy"), std::string::npos);
  EXPECT_EQ(c.said(), "keys_wanted");
}

// The first upload of an address is always taken; more only while they leave room for others.
TEST_F(ServiceTest, UploadsOfOnePrincipalLeaveMemoryToOthers) {
  Limits limits;
  limits.memory = the_x_world().client->plan.circuits.key_bytes_memory * 2;
  limits.memory += 3 * protocol::key_bytes(the_x_world().client->plan);
  limits.key_memory = limits.memory / 2;
  ASSERT_LT(limits.memory / 4, limits.uploads_each * protocol::key_bytes(the_x_world().client->plan));
  const auto service = make(limits);
  std::vector<Peer> greedy;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < limits.uploads_each; ++i) {
    greedy.push_back(client(*service, "greedy"));
    greedy.back().send({MessageType::keys_offer, {}});
    taken += greedy.back().said() == "keys_wanted" ? 1 : 0;
  }
  EXPECT_GE(taken, 1u);
  EXPECT_LE((taken - 1) * protocol::key_bytes(service->plan()), limits.memory / 4);
  EXPECT_LT(taken, limits.uploads_each);
  Peer other = client(*service, "other");
  other.send({MessageType::keys_offer, {}});
  EXPECT_EQ(other.said(), "keys_wanted");
}

TEST_F(ServiceTest, BytesOfUploadsCountAsTheyArrive) {
  Limits limits;
  limits.memory = std::size_t{64} << 20;
  limits.key_memory = limits.memory;
  const std::size_t keys = the_x_world().client->plan.circuits.key_bytes_memory;
  limits.memory += keys, limits.key_memory += keys;
  ServiceOptions options;
  options.limits = limits;
  options.now = clock_.source();
  const auto service = the_x_world().make_service(options);
  std::vector<Peer> uploading;
  std::string refused;
  for (int i = 0; i < 100 && refused.empty(); ++i) {
    uploading.emplace_back(*service, "uploading" + std::to_string(i));
    Peer& peer = uploading.back();
    EXPECT_EQ(peer.greet(*the_x_world().keys), "server_info");
    peer.send({MessageType::keys_offer, {}});
    if (const std::string answer = peer.said(); answer != "keys_wanted") {
      refused = answer;
      break;
    }
    peer.announce(MessageType::keys_chunk, protocol::kMaxChunkBytes);
    if (!peer.arrive(protocol::kMaxChunkBytes)) refused = peer.said();
    EXPECT_LE(service->statistics().memory, limits.memory);
  }
  EXPECT_NE(refused.find("memory"), std::string::npos) << refused;
  for (Peer& peer : uploading) peer.leave();
  EXPECT_EQ(service->statistics().memory, 0u);
}

class KeyRoom : public ServiceTest {
 protected:
  // Room for one set of keys.
  Limits one_set() const {
    Limits limits;
    limits.key_memory = the_x_world().client->plan.circuits.key_bytes_memory * 3 / 2;
    return limits;
  }
  const client::ClientKeys other_ = the_x_world().make_keys("other");
};

TEST_F(KeyRoom, EvictedKeysAreAskedForAgain) {
  const auto service = make(one_set());
  Peer a = client(*service, "a"), b(*service, "b");
  EXPECT_EQ(b.greet(other_), "server_info");
  EXPECT_EQ(b.upload(other_), "keys_ready");
  EXPECT_EQ(service->statistics().key_sets, 1u);
  EXPECT_EQ(service->statistics().evictions, 1u);
  a.send(question());
  EXPECT_EQ(a.said(), "keys_missing");
  EXPECT_EQ(a.upload(*the_x_world().keys), "keys_ready");
  client::ClientQuery query = ask();
  EXPECT_EQ(play(*service, a, query), "result");
}

TEST_F(KeyRoom, KeysInUseStayAndCount) {
  const auto service = make(one_set());
  Peer a = client(*service, "a"), b(*service, "b");
  a.send(question());
  work(*service);
  EXPECT_EQ(a.said(), "step");
  EXPECT_EQ(b.greet(other_), "server_info");
  EXPECT_NE(b.upload(other_).find("busy"), std::string::npos);
  EXPECT_LE(service->statistics().key_bytes, service->limits().key_memory);
  EXPECT_EQ(service->statistics().evictions, 0u) << "nothing was dropped in vain";
  a.leave();
  EXPECT_EQ(b.upload(other_), "keys_ready");
}

// Bytes that are no keys push out nobody's.
TEST_F(KeyRoom, DamagedKeysEvictNothing) {
  const auto service = make(one_set());
  std::string bytes = other_.evaluation_keys();
  std::fill(bytes.end() - 6, bytes.end(), '\xff');  // the last residue is above its prime
  client::ClientKeys damaged = the_x_world().make_keys("damaged");
  damaged.evaluation_keys = [&] { return bytes; };
  damaged.fingerprint = protocol::fingerprint(std::as_bytes(std::span(bytes)));
  Peer b(*service, "b");
  EXPECT_EQ(b.greet(damaged), "server_info");
  const std::string said = b.upload(damaged);
  EXPECT_NE(said.find("not below its prime"), std::string::npos) << said;
  EXPECT_EQ(service->statistics().evictions, 0u);
  Peer a = client(*service, "a");
  client::ClientQuery query = ask();
  EXPECT_EQ(play(*service, a, query), "result");
}

// Whoever brings one set after the other pushes out others' no more often than everybody has one.
TEST_F(KeyRoom, WhoBringsManyKeysPushesOutHisOwn) {
  Limits limits;
  limits.key_memory = the_x_world().client->plan.circuits.key_bytes_memory * 5 / 2;
  const auto service = make(limits);  // the first's
  Peer first(*service, "the first");
  std::vector<client::ClientKeys> keys;
  for (int i = 0; i < 3; ++i) {
    keys.push_back(the_x_world().make_keys("many" + std::to_string(i)));
    Peer peer(*service, "a");
    EXPECT_EQ(peer.greet(keys.back()), "server_info");
    EXPECT_EQ(peer.upload(keys.back()), "keys_ready");
  }
  first.greet(*the_x_world().keys);
  first.send(question());
  work(*service);
  EXPECT_EQ(first.said(), "step") << "its keys are still there";
}

TEST_F(KeyRoom, IdleSessionsHoldNoKeys) {
  const auto service = make(one_set());
  std::vector<Peer> idle;
  std::vector<client::ClientKeys> keys;
  for (int i = 0; i < 3; ++i) {
    keys.push_back(the_x_world().make_keys("idle" + std::to_string(i)));
    idle.emplace_back(*service, "idle" + std::to_string(i));
    EXPECT_EQ(idle.back().greet(keys.back()), "server_info");
    EXPECT_EQ(idle.back().upload(keys.back()), "keys_ready");
    EXPECT_LE(service->statistics().key_bytes, service->limits().key_memory);
  }
  EXPECT_EQ(service->statistics().key_sets, 1u);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Bounds with much room: what many sets have taken one after the other is not kept.
TEST_F(KeyRoom, MemoryGoesBackToTheSystem) {
  const std::size_t set = the_x_world().client->plan.circuits.key_bytes_memory;
  const auto service = make(one_set());
  std::vector<client::ClientKeys> keys;
  for (int i = 0; i < 3; ++i) keys.push_back(the_x_world().make_keys("set" + std::to_string(i)));
  ring::trim_pool();
  const std::size_t before = resident_memory_bytes();
  for (int round = 0; round < 2; ++round) {
    for (const client::ClientKeys& k : keys) {
      Peer peer(*service, "a");
      EXPECT_EQ(peer.greet(k), "server_info");
      EXPECT_EQ(peer.upload(k), "keys_ready");
      peer.leave();
    }
  }
  EXPECT_LE(resident_memory_bytes(), before + 3 * set) << "one set, and what one upload takes";
  // All keys go when one moment of the plan needs the room; an idle service gives the pages of the rest back.
  clock_.now += 10s;
  service->tick();
  work(*service);
  const std::size_t keep = run_bytes(service->plan()) * 2 + (std::size_t{64} << 20);
  EXPECT_LE(ring::pool_statistics().bytes_free, keep);
  EXPECT_LE(resident_memory_bytes(), before + set / 2 + keep);
}
#endif

TEST_F(ServiceTest, AClientThatLeavesTakesItsQueryAlong) {
  const auto service = make();
  Peer queued = client(*service, "a"), open = client(*service, "b");
  open.send(question());
  work(*service);
  EXPECT_EQ(open.said(), "step");
  queued.send(question());
  EXPECT_EQ(service->statistics().queued, 1u);
  queued.leave();
  open.leave();
  EXPECT_FALSE(service->work());
  const ServiceStatistics s = service->statistics();
  EXPECT_EQ(s.queued + s.open_queries + s.open_sessions, 0u);
  EXPECT_EQ(s.cancelled, 1u);
  EXPECT_EQ(s.memory, s.key_bytes + s.weight_bytes);
}

TEST_F(ServiceTest, DrainRefusesWhatWaitsAndLetsFinishWhatRuns) {
  const auto service = make();
  Peer running = client(*service, "a"), queued = client(*service, "b"), idle = client(*service, "c");
  client::ClientQuery query = ask();
  running.send(query.first());
  work(*service);
  queued.send(question());
  service->drain();
  for (Peer* peer : {&queued, &idle}) {
    EXPECT_NE(peer->said().find("stopping"), std::string::npos);
    EXPECT_TRUE(peer->finished());
  }
  error_of(ErrorCode::busy, [&] { service->open("d", "d", std::make_shared<Mailbox>()); });
  EXPECT_FALSE(service->drained());
  for (Message message = running.next(); message.type == MessageType::step; message = running.next()) {
    running.send(*query.take(message));
    work(*service);
    if (service->drained()) break;
  }
  EXPECT_TRUE(service->drained());
  EXPECT_EQ(running.said(), "result");
  EXPECT_NE(running.said().find("stopping"), std::string::npos) << "who would ask again is told why not";
  EXPECT_TRUE(running.finished());
}

TEST_F(ServiceTest, TheEndOfTheGraceEndsAll) {
  const auto service = make();
  Peer running = client(*service, "a");
  running.send(question());
  work(*service);
  EXPECT_EQ(running.said(), "step");
  service->drain();
  EXPECT_FALSE(service->drained());
  service->end_all("the server is stopping");
  EXPECT_TRUE(service->drained());
  EXPECT_NE(running.said().find("stopping"), std::string::npos);
  service->shut_down();
  EXPECT_FALSE(service->work_or_wait());
}

TEST_F(ServiceTest, SilenceAndIdlenessEnd) {
  const auto service = make();
  Peer silent(*service, "a");
  Peer idle = client(*service, "b");
  clock_.now += service->limits().hello_timeout + 1ms;
  service->tick();
  EXPECT_NE(silent.said().find("hello"), std::string::npos);
  EXPECT_FALSE(idle.finished());
  clock_.now += service->limits().idle_timeout;
  service->tick();
  EXPECT_NE(idle.said().find("asked nothing"), std::string::npos);
  EXPECT_TRUE(idle.finished());
}

TEST_F(ServiceTest, AClientThatDoesNotReadIsLetGo) {
  const auto service = make();
  Peer peer = client(*service, "a");
  peer.send(question());
  work(*service);  // a step of a hundred kilobytes waits for it
  clock_.now += service->limits().transfer_grace + 1ms;
  service->tick();
  EXPECT_TRUE(peer.finished());
  EXPECT_EQ(service->statistics().open_queries, 0u);
}

TEST_F(ServiceTest, WhoAsksOnWithoutReadingIsLetGo) {
  Limits limits;
  limits.uploads_each = 0;  // so every offer is answered at once
  ServiceOptions options;
  options.limits = limits;
  options.now = clock_.source();
  std::size_t lines = 0;
  options.log = [&](LogLevel, const std::string&) { ++lines; };
  const auto service = the_x_world().make_service(options);
  Peer reads(*service, "a"), does_not(*service, "b");
  for (Peer* peer : {&reads, &does_not}) EXPECT_EQ(peer->greet(*the_x_world().keys), "server_info");
  for (int i = 0; i < 10'000; ++i) {
    reads.send({MessageType::keys_offer, {}});
    EXPECT_TRUE(reads.said().starts_with("busy"));
    does_not.send({MessageType::keys_offer, {}});
  }
  EXPECT_FALSE(reads.finished());
  EXPECT_TRUE(does_not.finished());
  EXPECT_LE(service->statistics().memory, std::size_t{128} << 10);
  EXPECT_LE(lines, 100u) << "the log does not grow with every try";
}

TEST_F(ServiceTest, SilentConnectionsMakePlaceForNewcomers) {
  Limits limits;
  limits.sessions = 4;
  limits.sessions_each = 3;
  const auto service = make(limits);
  std::vector<Peer> silent;
  for (int i = 0; i < 3; ++i) {
    clock_.now += 1ms;
    silent.emplace_back(*service, "silent");
  }
  Peer fourth(*service, "silent");
  EXPECT_TRUE(silent[0].finished()) << "the oldest of the same address";
  EXPECT_FALSE(silent[1].finished());
  Peer a = client(*service, "a"), b = client(*service, "b");
  EXPECT_TRUE(silent[1].finished()) << "the oldest of all";
  a.send(question());
  b.send(question());
  Peer c = client(*service, "c"), d = client(*service, "d");
  c.send(question());
  d.send(question());
  const std::string message = error_of(ErrorCode::busy, [&] { Peer(*service, "e"); });
  EXPECT_NE(message.find("serves 4 clients already"), std::string::npos) << message;
  EXPECT_EQ(service->statistics().open_sessions, 4u);
}

TEST_F(ServiceTest, OnlyWhatIsDueMayCome) {
  const auto service = make();
  const auto refuses = [&](const std::string& what, auto&& play) {
    Peer peer = client(*service, "a");
    play(peer);
    const std::string said = peer.said();
    EXPECT_TRUE(said.starts_with("error")) << what << ": " << said;
    EXPECT_TRUE(peer.finished()) << what;
  };
  refuses("a second hello", [&](Peer& p) { p.send({MessageType::hello, Bytes(protocol::kHelloBytes)}); });
  refuses("keys without an offer", [&](Peer& p) { p.send({MessageType::keys_chunk, Bytes(10)}); });
  refuses("a reply without a step", [&](Peer& p) { p.send({MessageType::step_reply, Bytes(10)}); });
  refuses("a query that is too long",
          [&](Peer& p) { p.announce(MessageType::query, protocol::max_query_bytes(service->plan()) + 1); });
  refuses("an unknown circuit", [&](Peer& p) {
    p.send({MessageType::query, encode(protocol::CiphertextsHead{99, 1, 0}, {})});
  });
  refuses("a second query before the answer", [&](Peer& p) {
    p.send(question());
    p.send(question());
  });
  refuses("an empty piece of keys", [&](Peer& p) {
    p.send({MessageType::keys_offer, {}});
    EXPECT_EQ(p.said(), "keys_wanted");
    p.send({MessageType::keys_chunk, {}});
  });
  refuses("garbage of the right size", [&](Peer& p) {
    Message message = question();
    std::fill(message.payload.begin() + 16, message.payload.end(), std::byte{0x5a});
    p.send(message);
    work(*service);
  });
  refuses("a reply to another step", [&](Peer& p) {
    p.send(question());
    work(*service);
    EXPECT_EQ(p.said(), "step");
    const auto sizes = protocol::fresh_sizes(service->plan(), 0, 1);
    Bytes reply = encode(protocol::CiphertextsHead{7, static_cast<std::uint32_t>(sizes.size()), 0}, {});
    reply.resize(protocol::message_bytes(sizes));
    p.send({MessageType::step_reply, reply});
  });
  EXPECT_EQ(service->statistics().open_sessions, 0u);
  Peer peer = client(*service, "a");
  client::ClientQuery query = ask();
  EXPECT_EQ(play(*service, peer, query), "result");
}

TEST_F(ServiceTest, KeysOtherThanAnnouncedAreNotTaken) {
  const auto service = make();
  client::ClientKeys other = the_x_world().make_keys("other");
  other.fingerprint[0] ^= 1;
  Peer peer(*service, "a");
  EXPECT_EQ(peer.greet(other), "server_info");
  EXPECT_NE(peer.upload(other).find("not those that were announced"), std::string::npos);
  EXPECT_EQ(service->statistics().key_sets, 1u) << "the world's alone";
}

TEST_F(ServiceTest, AModelOfOtherPartsIsRefusedByName) {
  ServiceOptions options;
  options.parts.of(model::ModelPart::labels) = model::Digest{1};
  options.parts.of(model::ModelPart::weights) = model::Digest{2};
  const auto service = the_x_world().make_service(options);
  model::ModelDigests parts;
  parts.of(model::ModelPart::embeddings) = model::Digest{9};
  parts.of(model::ModelPart::labels) = model::Digest{1};
  EXPECT_EQ(Peer(*service, "a").greet(*the_x_world().keys, parts), "server_info");
  parts.of(model::ModelPart::labels) = model::Digest{3};
  const std::string said = Peer(*service, "b").greet(*the_x_world().keys, parts);
  EXPECT_NE(said.find("labels"), std::string::npos) << said;
  EXPECT_EQ(said.find("weights"), std::string::npos) << said;
}

TEST_F(ServiceTest, ClientsAreToldNothingOfOtherUsers) {
  const auto service = make();
  const auto info = nlohmann::json::parse(service->describe());
  EXPECT_EQ(info["security_bits"], 128);
  EXPECT_EQ(info["plan"], service->plan().fingerprint);
  for (const char* field : {"key_sets", "key_bytes", "peak_memory_bytes", "threads"})
    EXPECT_FALSE(info.contains(field));
}

TEST_F(ServiceTest, LimitsThatLeaveNoRoomAreRefusedAtTheStart) {
  Limits limits;
  limits.key_memory = 1 << 20;
  ServiceOptions options;
  options.limits = limits;
  EXPECT_NE(error_of(ErrorCode::usage, [&] { the_x_world().make_service(options); }).find("--key-memory 1 "),
            std::string::npos);
  options.limits = {};
  options.limits.memory = 1 << 20;
  EXPECT_NE(error_of(ErrorCode::usage, [&] { the_x_world().make_service(options); }).find("--memory 1 "),
            std::string::npos);
}

}  // namespace
}  // namespace thex::server
