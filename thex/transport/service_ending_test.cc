// How sessions end: clients that leave, keep silent or do not read, and a server that stops.
#include "tests/support/service_peer.h"
#include "thex/server/service.h"

namespace thex::server {
namespace {

using support::error_of;

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

}  // namespace
}  // namespace thex::server
