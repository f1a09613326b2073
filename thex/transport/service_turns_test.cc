// Whose turn it is: fair queues and bounded waits.
#include "tests/support/service_peer.h"
#include "thex/server/service.h"

namespace thex::server {
namespace {

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

}  // namespace
}  // namespace thex::server
