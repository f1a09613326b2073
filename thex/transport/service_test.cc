// What the service says to what its clients send.
#include "thex/server/service.h"

#include <nlohmann/json.hpp>

#include "tests/support/service_peer.h"

namespace thex::server {
namespace {

using support::error_of;

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
