// Queries of masked-rounds that end between two refreshes: by the client, by a time-out, by the server. What the server
// held for them, masks included, is given back.
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "tests/support/service_peer.h"
#include "thex/base/clock.h"
#include "thex/ring/memory_pool.h"
#include "thex/server/service.h"
#include "thex/transport/in_process.h"
#include "thex/transport/session.h"

namespace thex::server {
namespace {

using support::error_of;

const ServiceWorld& world() { return testing::masked_rounds_world(); }

class MaskedRoundsEnding : public ServiceTest {
 protected:
  void SetUp() override {
    service_ = make({}, world());
    {
      client::ClientQuery whole = query();  // weights are encoded with the first one
      Peer peer = greeted("before");
      ASSERT_EQ(play(*service_, peer, whole), "result");
      peer.leave();
    }
    in_use_ = ring::pool_statistics().bytes_in_use;
  }
  static client::ClientQuery query() {
    const auto encoding = world().client->encode("a good film");
    return client::ClientQuery(*world().client, *world().keys, std::span(&encoding, 1), 1);
  }
  Peer greeted(const std::string& principal) {
    Peer peer(*service_, principal);
    EXPECT_EQ(peer.greet(*world().keys), "server_info");
    return peer;
  }
  // Answers one refresh, so that the server holds the masks of the next one, and makes the reply to that one.
  void reach_second_refresh(Peer& peer, Message* reply = nullptr) {
    client::ClientQuery asked = query();
    peer.send(asked.first());
    work(*service_);
    const Message first = peer.next();
    ASSERT_EQ(first.type, MessageType::step);
    peer.send(*asked.take(first));
    work(*service_);
    const Message second = peer.next();
    ASSERT_EQ(second.type, MessageType::step);
    if (reply != nullptr) *reply = *asked.take(second);
    const ServiceStatistics s = service_->statistics();
    EXPECT_EQ(s.open_queries, 1u);
    EXPECT_GT(s.memory, s.key_bytes + s.weight_bytes);
    EXPECT_GT(ring::pool_statistics().bytes_in_use, in_use_) << "nothing is held for the query";
  }
  void expect_nothing_held() {
    const ServiceStatistics s = service_->statistics();
    EXPECT_EQ(s.open_queries, 0u);
    EXPECT_EQ(s.memory, s.key_bytes + s.weight_bytes);
    EXPECT_EQ(ring::pool_statistics().bytes_in_use, in_use_);
  }

  std::unique_ptr<Service> service_;
  std::size_t in_use_ = 0;
};

TEST_F(MaskedRoundsEnding, AClientThatLeaves) {
  Peer peer = greeted("a");
  reach_second_refresh(peer);
  peer.leave();
  expect_nothing_held();
  EXPECT_EQ(service_->statistics().cancelled, 1u);
}

// On the way to the third refresh, as far as a thread of the server has come.
TEST_F(MaskedRoundsEnding, AClientThatLeavesWhileItsQueryIsComputed) {
  Peer peer = greeted("a");
  Message reply;
  reach_second_refresh(peer, &reply);
  ASSERT_EQ(reply.type, MessageType::step_reply);
  peer.send(reply);
  const std::uint64_t before = ring::pool_statistics().allocations;
  std::thread worker([&] { work(*service_); });
  const auto end = Clock::now() + 20s;
  while (ring::pool_statistics().allocations < before + 30 && Clock::now() < end) std::this_thread::yield();
  peer.leave();
  worker.join();
  expect_nothing_held();
  EXPECT_EQ(service_->statistics().cancelled, 1u);
}

TEST_F(MaskedRoundsEnding, AClientThatThinksTooLong) {
  Peer peer = greeted("a");
  reach_second_refresh(peer);
  clock_.now += service_->limits().turn_timeout + 1ms;
  service_->tick();
  EXPECT_NE(peer.said().find("did not reply to a step"), std::string::npos);
  EXPECT_TRUE(peer.finished());
  expect_nothing_held();
}

TEST_F(MaskedRoundsEnding, AServerThatStopsLetsItFinish) {
  Peer peer = greeted("a");
  {
    client::ClientQuery asked = query();
    peer.send(asked.first());
    work(*service_);
    service_->drain();
    EXPECT_FALSE(service_->drained());
    Message message = peer.next();
    int refreshes = 0;
    for (; message.type == MessageType::step; message = peer.next(), ++refreshes) {
      peer.send(*asked.take(message));
      work(*service_);
    }
    EXPECT_EQ(refreshes, world().client->plan.rounds - 1);
    ASSERT_EQ(message.type, MessageType::result);
    EXPECT_FALSE(asked.take(message));
  }
  EXPECT_TRUE(service_->drained());
  EXPECT_NE(peer.said().find("the server is stopping"), std::string::npos);
  EXPECT_TRUE(peer.finished());
  expect_nothing_held();
}

// It waits no longer for a client that has gone.
TEST_F(MaskedRoundsEnding, AServerThatStopsWhenItsLastClientLeaves) {
  Peer peer = greeted("a");
  reach_second_refresh(peer);
  service_->drain();
  EXPECT_FALSE(service_->drained());
  peer.leave();
  EXPECT_TRUE(service_->drained());
  expect_nothing_held();
}

TEST_F(MaskedRoundsEnding, AServerThatDoesNotWait) {
  Peer peer = greeted("a");
  reach_second_refresh(peer);
  service_->drain();
  service_->end_all("the server is stopping");
  EXPECT_NE(peer.said().find("stopping"), std::string::npos);
  EXPECT_TRUE(peer.finished());
  EXPECT_TRUE(service_->drained());
  expect_nothing_held();
}

// Does something just before the reply of that number is sent; hands everything on.
class BeforeReply : public transport::Connection {
 public:
  BeforeReply(std::unique_ptr<Connection> inner, int number, std::function<void()> action)
      : inner_(std::move(inner)), left_(number), action_(std::move(action)) {}

  void send(MessageType type, ByteView payload, Deadline deadline) override {
    if (type == MessageType::step_reply && --left_ == 0) action_();
    inner_->send(type, payload, deadline);
  }
  Message receive(std::span<const protocol::Expected> expected, Deadline deadline) override {
    return inner_->receive(expected, deadline);
  }
  bool pending() override { return inner_->pending(); }
  void close() noexcept override { inner_->close(); }
  std::string peer() const override { return inner_->peer(); }

 private:
  const std::unique_ptr<Connection> inner_;
  int left_;
  const std::function<void()> action_;
};

// What a user reads whose query was ended between two refreshes.
TEST_F(MaskedRoundsEnding, TheClientsErrorSaysWhy) {
  const auto classify = [&](const std::function<void()>& between) {
    transport::Session session(std::make_unique<BeforeReply>(transport::connect_in_process(*service_, "a"), 2, between),
                               *world().client, *world().keys, {.threads = 1});
    session.classify("a good film");
  };
  const std::string late = error_of(ErrorCode::network, [&] {
    classify([&] {
      clock_.now += service_->limits().turn_timeout + 1ms;
      service_->tick();
    });
  });
  EXPECT_EQ(late, "the service says: the server ended the connection: it did not reply to a step of its query in time");
  expect_nothing_held();
  const std::string stopped = error_of(
      ErrorCode::busy, [&] { classify([&] { service_->end_all("the server is stopping, without a grace"); }); });
  EXPECT_EQ(stopped, "the service says: the server is stopping, without a grace");
  EXPECT_TRUE(service_->drained());
  expect_nothing_held();
}

}  // namespace
}  // namespace thex::server
