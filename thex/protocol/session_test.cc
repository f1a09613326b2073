// Client and server on a small random model, in one process.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/test_model.h"
#include "thex/base/file.h"
#include "thex/model/reference.h"
#include "thex/protocol/client.h"
#include "thex/protocol/plan_sizes.h"
#include "thex/protocol/server.h"
#include "thex/protocol/stream.h"

namespace thex::protocol {
namespace {

using support::error_of;
using namespace std::chrono_literals;
constexpr int kMaxTokens = 32;

// Made once: a model, its client bundle, keys, and a server.
struct World {
  explicit World(const testing::ModelShape& shape = {}) {
    testing::write_model(folder.path() / "model", shape);
    client = std::make_unique<ClientModel>(load_client_model(folder.path() / "model", kMaxTokens));
    keys = std::make_unique<ClientKeys>(generate_keys(client->plan, folder.path() / "keys", false));
    full = model::load_model(folder.path() / "model", model::Part::all);
    server = make_server({});
  }
  std::unique_ptr<Server> make_server(ServerOptions options) const {
    options.model_name = "random";
    auto model = std::make_shared<const model::Model>(model::load_model(folder.path() / "model", model::Part::server));
    return std::make_unique<Server>(model, kMaxTokens, options);
  }

  support::TemporaryFolder folder;
  std::unique_ptr<ClientModel> client;
  std::unique_ptr<ClientKeys> keys;
  model::Model full;
  std::unique_ptr<Server> server;
};

World& world() {
  static World instance;
  return instance;
}

// One session of a server over an in-memory connection.
class Served {
 public:
  explicit Served(Server& server) {
    auto [a, b] = connect_in_memory();
    client = std::move(a);
    far_ = std::move(b);
    thread_ = std::thread([this, &server] { server.handle(*far_); });
  }
  ~Served() {
    if (client) client->close();
    thread_.join();
  }
  std::unique_ptr<Connection> client;

 private:
  std::unique_ptr<Connection> far_;
  std::thread thread_;
};

std::vector<double> clear_logits(const std::string& text) {
  const auto encoding = world().client->encode(text);
  return model::forward(world().full, encoding.ids, encoding.type_ids).logits;
}

// One message there, one back, and nothing else; the answer is another one every time.
TEST(Session, OneRoundGivesTheClearLogits) {
  const World w({.max_relu_input = 4, .protocol = model::Protocol::one_round});
  EXPECT_EQ(w.client->plan.protocol, "one-round");
  EXPECT_EQ(w.client->plan.rounds, 1);
  EXPECT_GT(w.client->plan.flooding_bits, 0);
  Served served(*w.server);
  Session session(std::move(served.client), *w.client, *w.keys);
  double before = 0;
  for (const std::string& text :
       {std::string("a gripping, beautiful film"), std::string("a gripping, beautiful film"), std::string("bad")}) {
    const auto encoding = w.client->encode(text);
    const auto expected = model::forward(w.full, encoding.ids, encoding.type_ids).logits;
    const Classification result = session.classify(text);
    ASSERT_EQ(result.logits.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(result.logits[i], expected[i], 2e-2) << text;
    EXPECT_NE(result.logits[0], before);
    before = result.logits[0];
    const std::size_t bucket = w.client->plan.bucket_for(result.tokens);
    EXPECT_EQ(result.bytes_sent, kHeaderBytes + message_bytes(fresh_sizes(w.client->plan, bucket, 0)));
    EXPECT_EQ(result.bytes_received, kHeaderBytes + message_bytes(step_sizes(w.client->plan, bucket, 1)));
  }
}

// Several sentences in one query, in places of a batch that has more.
TEST(Session, BatchesGiveTheClearLogits) {
  const World w({.max_relu_input = 4, .protocol = model::Protocol::one_round});
  Served served(*w.server);
  Session session(std::move(served.client), *w.client, *w.keys);
  std::vector<text::Encoding> encodings;
  for (const char* text : {"a gripping, beautiful film", "bad", "not bad ! it is a dull movie ."})
    encodings.push_back(w.client->encode(text));
  const std::vector<Classification> results = session.classify_batch(encodings);
  ASSERT_EQ(results.size(), encodings.size());
  for (std::size_t s = 0; s < results.size(); ++s) {
    const auto expected = model::forward(w.full, encodings[s].ids, encodings[s].type_ids).logits;
    ASSERT_EQ(results[s].logits.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(results[s].logits[i], expected[i], 2e-2) << s;
    EXPECT_EQ(results[s].sentences, 3);
    EXPECT_EQ(results[s].tokens, static_cast<int>(encodings[s].ids.size()));
    EXPECT_EQ(results[s].bucket, 16);
  }
  const std::vector<text::Encoding> many(1000, encodings[0]);
  EXPECT_NE(error_of(ErrorCode::input, [&] { session.classify_batch(many); }).find("one by one"), std::string::npos);
  EXPECT_NO_THROW(session.classify("bad")) << "a session survives it";
  EXPECT_TRUE(session.classify_batch({}).empty());
}

TEST(Session, EncryptedLogitsAreTheClearOnes) {
  World& w = world();
  Served served(*w.server);
  Connection& wire = *served.client;
  Session session(std::move(served.client), *w.client, *w.keys);
  EXPECT_TRUE(session.setup().keys_uploaded);
  EXPECT_GT(session.setup().bytes_sent, key_bytes(w.client->plan));
  const auto info = nlohmann::json::parse(session.setup().server_json);
  EXPECT_EQ(info["model"], "random");
  EXPECT_EQ(info["security_bits"], 128);
  EXPECT_EQ(info["plan"], w.client->plan.fingerprint());

  const std::string long_text = "the film is not very good , and it is not bad ! it is a dull movie .";
  for (const std::string& text : {std::string("a gripping, beautiful film"), long_text, std::string("bad")}) {
    const std::uint64_t before = wire.bytes_sent();
    const Classification result = session.classify(text);
    const auto expected = clear_logits(text);
    ASSERT_EQ(result.logits.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(result.logits[i], expected[i], 1e-2) << text;
    EXPECT_EQ(result.label, expected[1] > expected[0] ? 1u : 0u);
    EXPECT_NEAR(result.score, 1 / (1 + std::exp(-std::abs(expected[1] - expected[0]))), 1e-2);
    EXPECT_EQ(result.tokens, static_cast<int>(w.client->encode(text).ids.size()));
    EXPECT_EQ(result.bucket, text == long_text ? 32 : 16);
    const std::size_t bucket = text == long_text ? 1 : 0;
    EXPECT_EQ(result.bytes_sent, wire.bytes_sent() - before);
    std::size_t up = 0, down = 0;
    const std::size_t steps = w.client->plan.plan.programs[bucket].steps.size();
    for (std::size_t s = 0; s < steps; ++s) up += kHeaderBytes + message_bytes(fresh_sizes(w.client->plan, bucket, s));
    for (std::size_t s = 1; s <= steps; ++s)
      down += kHeaderBytes + message_bytes(step_sizes(w.client->plan, bucket, s));
    EXPECT_EQ(result.bytes_sent, up);
    EXPECT_EQ(result.bytes_received, down);
    const PhaseTimes& t = result.seconds;
    for (const double phase : {t.embed, t.encrypt, t.relu, t.server, t.network, t.decrypt}) EXPECT_GE(phase, 0);
    EXPECT_NEAR(t.total, t.embed + t.encrypt + t.relu + t.server + t.network + t.decrypt, 0.1 * t.total + 0.01);
  }
}

TEST(Session, KeysAreUploadedOnce) {
  World& w = world();
  const auto server = w.make_server({});
  for (int i = 0; i < 3; ++i) {
    Served served(*server);
    const Session session(std::move(served.client), *w.client, *w.keys);
    EXPECT_EQ(session.setup().keys_uploaded, i == 0);
  }
  EXPECT_EQ(server->statistics().key_uploads, 1u);
  EXPECT_EQ(server->statistics().key_sets, 1u);
  EXPECT_GT(server->statistics().key_bytes, 0u);
}

TEST(Session, LeastRecentlyUsedKeysGoFirst) {
  World& w = world();
  ServerOptions options;
  options.key_memory = 1;  // room for one set: the newest always stays
  const auto server = w.make_server(options);
  const ClientKeys other = generate_keys(w.client->plan, w.folder.path() / "other-keys", true);
  const auto uploaded = [&](const ClientKeys& keys) {
    Served served(*server);
    return Session(std::move(served.client), *w.client, keys).setup().keys_uploaded;
  };
  EXPECT_TRUE(uploaded(*w.keys));
  EXPECT_TRUE(uploaded(other));
  EXPECT_FALSE(uploaded(other));
  EXPECT_TRUE(uploaded(*w.keys));
  EXPECT_EQ(server->statistics().key_sets, 1u);
}

TEST(Session, TextsThatCannotBeClassified) {
  World& w = world();
  Served served(*w.server);
  Session session(std::move(served.client), *w.client, *w.keys);
  error_of(ErrorCode::input, [&] { session.classify(""); });
  error_of(ErrorCode::input, [&] { session.classify("  \t "); });
  error_of(ErrorCode::input, [&] { session.classify("bad \xff bytes"); });
  std::string long_text;
  for (int i = 0; i < kMaxTokens - 1; ++i) long_text += "film ";
  error_of(ErrorCode::input, [&] { session.classify(long_text); });
  EXPECT_EQ(session.classify("good").logits.size(), 2u);  // the session goes on
}

TEST(Session, AnotherPlanIsAnErrorOnBothSides) {
  World& w = world();
  const ClientModel other = load_client_model(w.folder.path() / "model", 16);
  Served served(*w.server);
  const std::string message = error_of(ErrorCode::keys, [&] { Session(std::move(served.client), other, *w.keys); });
  EXPECT_NE(message.find(w.client->plan.fingerprint()), std::string::npos) << message;
  EXPECT_NE(message.find("--max-tokens"), std::string::npos) << message;
  error_of(ErrorCode::keys, [&] { load_keys(other.plan, w.keys->folder); });
}

TEST(Session, ServerThatDiesHalfWay) {
  World& w = world();
  auto [near, far] = connect_in_memory();
  std::thread dying([&w, far = std::move(far)]() mutable {
    const Expected hello[] = {{FrameType::hello, kHelloBytes}};
    far->receive(hello, in(10s));
    far->send(FrameType::server_info, encode(ServerInfo{true, "{}"}), in(10s));
    const Expected query[] = {{FrameType::query, max_query_bytes(w.client->plan)}};
    far->receive(query, in(10s));
    far->close();
  });
  Session session(std::move(near), *w.client, *w.keys);
  error_of(ErrorCode::network, [&] { session.classify("a film"); });
  dying.join();
}

// A server's answers that are not what the plan allows never get past the client's checks.
TEST(Session, ServerThatLies) {
  World& w = world();
  const auto sizes = step_sizes(w.client->plan, 0, 1);
  Bytes garbage = encode(CiphertextsHead{1, static_cast<std::uint32_t>(sizes.size()), 0}, {});
  garbage.resize(message_bytes(sizes), std::byte{0x5a});
  const std::vector<std::pair<FrameType, Bytes>> answers = {
      {FrameType::step, garbage},
      {FrameType::step, Bytes(3)},
      {FrameType::result, garbage},
      {FrameType::step, encode(CiphertextsHead{2, static_cast<std::uint32_t>(sizes.size()), 0}, {})},
      {FrameType::step, Bytes(message_bytes(sizes) + 1)}};
  for (const auto& [type, payload] : answers) {
    auto [near, far] = connect_in_memory();
    std::thread lying([&, &type = type, &payload = payload, far = std::move(far)]() mutable {
      const Expected hello[] = {{FrameType::hello, kHelloBytes}};
      far->receive(hello, in(10s));
      far->send(FrameType::server_info, encode(ServerInfo{true, "{}"}), in(10s));
      const Expected query[] = {{FrameType::query, max_query_bytes(w.client->plan)}};
      far->receive(query, in(10s));
      try {
        far->send(type, payload, in(10s));
      } catch (const Error&) {  // the client hung up at the header already
      }
    });
    {
      Session session(std::move(near), *w.client, *w.keys);
      error_of(ErrorCode::protocol, [&] { session.classify("a film"); });
    }
    lying.join();
  }
}

// What a client may not send, and that the server survives it.
TEST(Server, RefusesWhatThePlanDoesNotAllow) {
  World& w = world();
  const Expected info[] = {{FrameType::server_info, kMaxInfoBytes}, {FrameType::error, kMaxErrorBytes}};
  const auto answer_to = [&](FrameType type, const Bytes& payload, bool greet) {
    Served served(*w.server);
    Connection& c = *served.client;
    if (greet) {
      c.send(FrameType::hello, encode(Hello{fingerprint(w.client->plan), w.keys->fingerprint}), in(5s));
      EXPECT_EQ(c.receive(info, in(5s)).type, FrameType::server_info);
    }
    try {
      c.send(type, payload, in(5s));
    } catch (const Error&) {
    }
    const Frame answer = c.receive(info, in(5s));
    EXPECT_EQ(answer.type, FrameType::error);
    return parse_error(answer.payload);
  };
  {  // the server knows the keys
    Served served(*w.server);
    const Session session(std::move(served.client), *w.client, *w.keys);
  }
  EXPECT_EQ(answer_to(FrameType::query, Bytes(10), false).code, ErrorCode::protocol);
  EXPECT_EQ(answer_to(FrameType::hello, Bytes(1), false).code, ErrorCode::protocol);
  EXPECT_EQ(answer_to(FrameType::hello, encode(Hello{}), false).code, ErrorCode::keys);
  EXPECT_EQ(answer_to(FrameType::query, Bytes(10), true).code, ErrorCode::protocol);
  EXPECT_EQ(answer_to(FrameType::step_reply, Bytes(10), true).code, ErrorCode::protocol);
  EXPECT_EQ(answer_to(FrameType::query, encode(CiphertextsHead{99, 1, 0}, {}), true).code, ErrorCode::protocol);
  const auto sizes = fresh_sizes(w.client->plan, 0, 0);
  Bytes garbage = encode(CiphertextsHead{0, static_cast<std::uint32_t>(sizes.size()), 0}, {});
  garbage.resize(message_bytes(sizes), std::byte{0x5a});
  EXPECT_EQ(answer_to(FrameType::query, garbage, true).code, ErrorCode::protocol);
  EXPECT_EQ(answer_to(FrameType::query, Bytes(max_query_bytes(w.client->plan) + 1), true).code, ErrorCode::protocol);
  Served served(*w.server);
  EXPECT_EQ(Session(std::move(served.client), *w.client, *w.keys).classify("good").logits.size(), 2u);
}

TEST(Server, RefusesKeysOtherThanAnnounced) {
  World& w = world();
  const auto server = w.make_server({});
  Served served(*server);
  Connection& c = *served.client;
  KeyFingerprint other = w.keys->fingerprint;
  other[0] ^= 1;
  c.send(FrameType::hello, encode(Hello{fingerprint(w.client->plan), other}), in(5s));
  const Expected info[] = {{FrameType::server_info, kMaxInfoBytes}};
  EXPECT_FALSE(parse_server_info(c.receive(info, in(5s)).payload).has_keys);
  const std::string bytes = read_evaluation_keys(w.client->plan, *w.keys);
  const ByteView view = std::as_bytes(std::span(bytes.data(), bytes.size()));
  for (std::size_t at = 0; at < view.size(); at += kMaxChunkBytes) {
    c.send(FrameType::keys_chunk, view.subspan(at, std::min<std::size_t>(kMaxChunkBytes, view.size() - at)), in(5s));
  }
  const Expected expected[] = {{FrameType::error, kMaxErrorBytes}};
  EXPECT_EQ(parse_error(c.receive(expected, in(20s)).payload).code, ErrorCode::keys);
  EXPECT_EQ(server->statistics().key_sets, 0u);
}

TEST(Server, ServesSeveralClientsAtOnceAndStops) {
  World& w = world();
  const auto server = w.make_server({});
  const auto listener = listen_tcp("127.0.0.1:0");
  std::thread serving([&] { server->serve(*listener); });
  std::vector<std::thread> clients;
  for (const char* text : {"a good film", "a very dull movie", "it was beautiful"}) {
    clients.emplace_back([&, text] {
      Session session(connect_tcp(listener->address(), 5s), *w.client, *w.keys);
      const auto expected = clear_logits(text);
      for (int i = 0; i < 2; ++i) EXPECT_NEAR(session.classify(text).logits[0], expected[0], 1e-2);
    });
  }
  for (auto& client : clients) client.join();
  Session idle(connect_tcp(listener->address(), 5s), *w.client, *w.keys);
  server->stop();
  serving.join();
  error_of(ErrorCode::network, [&] { idle.classify("good"); });
  EXPECT_EQ(server->statistics().queries, 6u);
}

TEST(Server, RefusesMoreClientsThanItHasRoomFor) {
  World& w = world();
  ServerOptions options;
  options.max_connections = 1;
  const auto server = w.make_server(options);
  const auto listener = listen_tcp("127.0.0.1:0");
  std::thread serving([&] { server->serve(*listener); });
  {
    const Session first(connect_tcp(listener->address(), 5s), *w.client, *w.keys);
    const std::string message =
        error_of(ErrorCode::network, [&] { Session(connect_tcp(listener->address(), 5s), *w.client, *w.keys); });
    EXPECT_NE(message.find("serves 1 clients already"), std::string::npos) << message;
  }
  server->stop();
  serving.join();
}

}  // namespace
}  // namespace thex::protocol
