// What is held in memory for clients: runs, uploads and keys, within one budget.
#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "tests/support/service_peer.h"
#include "thex/base/clock.h"
#include "thex/base/sanitizers.h"
#include "thex/ring/memory_pool.h"
#include "thex/server/service.h"

namespace thex::server {
namespace {

TEST_F(ServiceTest, RunsAreAdmittedByMemory) {
  const encoder::InferencePlan& plan = the_x_world().client->plan;
  Limits limits = limits_of_few_runs(plan);
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
  Limits limits = limits_of_few_runs(plan);
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

// The same where nothing happens but that time passes: a thread that waits for work looks again.
TEST_F(ServiceTest, TimeAloneFindsWhoWaitsForMemory) {
  Limits limits = limits_of_few_runs(the_x_world().client->plan);
  limits.open_each = 1000;
  std::atomic<std::int64_t> passed = 0;
  const auto service = make(limits, the_x_world(), [&] { return Time(1h) + std::chrono::milliseconds(passed); });
  std::vector<Peer> peers;
  do {
    peers.push_back(client(*service, "client" + std::to_string(peers.size())));
    peers.back().send(question());
    work(*service);
  } while (peers.back().said() == "step" && peers.size() < 1000);
  ASSERT_GT(peers.size(), 1u);
  std::thread worker([&] {
    while (service->work_or_wait()) {
    }
  });
  const std::size_t sessions = service->statistics().open_sessions;
  passed += (limits.short_turns + limits.patience) / 1ms + 1;
  const auto end = Clock::now() + 20s;
  while (service->statistics().open_sessions == sessions && Clock::now() < end) {
    service->tick();
    std::this_thread::sleep_for(1ms);
  }
  service->shut_down();
  worker.join();
  EXPECT_NE(peers.front().said().find("while others waited"), std::string::npos);
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
  limits.memory = std::size_t{160} << 20;
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
  b.send({MessageType::keys_offer, {}});
  EXPECT_EQ(b.said().substr(0, 4), "busy") << "before they are sent, not after";
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

#if !THEX_ADDRESS_SANITIZER && !THEX_THREAD_SANITIZER
std::size_t resident_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

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

}  // namespace
}  // namespace thex::server
