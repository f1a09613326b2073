// Queries of masked-rounds that end between two refreshes: by the client, by a time-out, by the server. What the server
// held for them, masks included, is given back.
#include "tests/support/service_peer.h"
#include "thex/ring/memory_pool.h"
#include "thex/server/service.h"

namespace thex::server {
namespace {

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
  // Answers one refresh, so that the server holds the masks of the next one.
  void reach_second_refresh(Peer& peer) {
    client::ClientQuery asked = query();
    peer.send(asked.first());
    work(*service_);
    const Message first = peer.next();
    ASSERT_EQ(first.type, MessageType::step);
    peer.send(*asked.take(first));
    work(*service_);
    ASSERT_EQ(peer.said(), "step");
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
  client::ClientQuery asked = query();
  peer.send(asked.first());
  work(*service_);
  service_->drain();
  EXPECT_FALSE(service_->drained());
  Message message = peer.next();
  for (; message.type == MessageType::step; message = peer.next()) {
    peer.send(*asked.take(message));
    work(*service_);
  }
  EXPECT_EQ(message.type, MessageType::result);
  EXPECT_FALSE(asked.take(message));
  EXPECT_TRUE(service_->drained());
}

TEST_F(MaskedRoundsEnding, AServerThatDoesNotWait) {
  Peer peer = greeted("a");
  reach_second_refresh(peer);
  service_->drain();
  service_->end_all("the server is stopping");
  EXPECT_NE(peer.said().find("stopping"), std::string::npos);
  EXPECT_TRUE(service_->drained());
  expect_nothing_held();
}

}  // namespace
}  // namespace thex::server
