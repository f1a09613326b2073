// Client and server on a small random model, in one process.
#include "thex/transport/session.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/service_world.h"
#include "thex/client/query.h"
#include "thex/protocol/message_sizes.h"
#include "thex/transport/frame.h"
#include "thex/transport/in_process.h"
#include "thex/transport/memory.h"

namespace thex::transport {
namespace {

using support::error_of;
using namespace std::chrono_literals;
using client::Answer;
using client::ClientKeys;
using client::ClientModel;
using client::PhaseTimes;
using protocol::Bytes;
using protocol::CiphertextsHead;
using protocol::Expected;
using protocol::fresh_sizes;
using protocol::message_bytes;
using protocol::MessageType;
using protocol::ServerInfo;
using protocol::step_sizes;
using testing::ServiceWorld;
constexpr int kMaxTokens = ServiceWorld::kMaxTokens;

const ServiceWorld& world() { return testing::the_x_world(); }

// One message there, one back, and nothing else; the answer is another one every time.
TEST(Session, OneRoundGivesTheClearLogits) {
  const ServiceWorld w({.max_relu_input = 4, .protocol = model::Protocol::one_round});
  EXPECT_EQ(w.client->plan.protocol, model::Protocol::one_round);
  EXPECT_EQ(w.client->plan.rounds, 1);
  EXPECT_TRUE(w.client->plan.hides_answers());
  const auto service = w.make_service();
  Session session(connect_in_process(*service, "client"), *w.client, *w.keys);
  double before = 0;
  for (const std::string& text :
       {std::string("a gripping, beautiful film"), std::string("a gripping, beautiful film"), std::string("bad")}) {
    const auto encoding = w.client->encode(text);
    const auto expected = model::forward(w.full, encoding.ids, encoding.type_ids).logits;
    const Answer result = session.classify(text);
    ASSERT_EQ(result.logits.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(result.logits[i], expected[i], 2e-2) << text;
    EXPECT_NE(result.logits[0], before);
    before = result.logits[0];
    const std::size_t bucket = w.client->plan.program_for(result.tokens);
    EXPECT_EQ(result.bytes_sent, kHeaderBytes + message_bytes(fresh_sizes(w.client->plan, bucket, 0)));
    EXPECT_EQ(result.bytes_received, kHeaderBytes + message_bytes(step_sizes(w.client->plan, bucket, 1)));
  }
}

// Hands everything on, keeps what passes, and gives the client the first answer again and again; or what was sent to it
// first in each step.
class Replay : public Connection {
 public:
  explicit Replay(std::unique_ptr<Connection> inner, MessageType what = MessageType::result)
      : inner_(std::move(inner)), what_(what) {}

  void send(MessageType type, protocol::ByteView payload, Deadline deadline) override {
    if (type == MessageType::query) queries.emplace_back(payload.begin(), payload.end());
    inner_->send(type, payload, deadline);
  }
  protocol::Message receive(std::span<const Expected> expected, Deadline deadline) override {
    protocol::Message message = inner_->receive(expected, deadline);
    if (message.type != what_) return message;
    answers.push_back(message.payload);
    message.payload = first_.try_emplace(protocol::parse_head(message.payload).index, message.payload).first->second;
    return message;
  }
  bool pending() override { return inner_->pending(); }
  void close() noexcept override { inner_->close(); }
  std::string peer() const override { return inner_->peer(); }

  std::vector<Bytes> queries, answers;

 private:
  std::unique_ptr<Connection> inner_;
  MessageType what_;
  std::map<std::uint32_t, Bytes> first_;
};

// An answer to an earlier query is no answer to this one, even of the same text; but a query that is repeated to the
// letter gets the same answer to the letter, apart from the time it took.
TEST(Session, AnswersBelongToTheirQueries) {
  const ServiceWorld w({.max_relu_input = 4, .protocol = model::Protocol::one_round});
  const auto service = w.make_service();
  auto replay = std::make_unique<Replay>(connect_in_process(*service, "client"));
  Replay& seen = *replay;
  Session session(std::move(replay), *w.client, *w.keys);
  session.classify("a film");
  const std::string refusal = error_of(ErrorCode::protocol, [&] { session.classify("a film"); });
  EXPECT_NE(refusal.find("does not belong to this query"), std::string::npos) << refusal;
  ASSERT_EQ(seen.answers.size(), 2u);
  const auto ciphertexts = [](const Bytes& payload) {
    return Bytes(payload.begin() + protocol::kCiphertextsHeadBytes, payload.end());
  };
  EXPECT_NE(ciphertexts(seen.answers[0]), ciphertexts(seen.answers[1]));
  seen.send(MessageType::query, seen.queries[1], Clock::now() + 10s);
  const Expected result[] = {{MessageType::result, seen.answers[1].size()}};
  seen.receive(result, Clock::now() + 60s);
  EXPECT_EQ(ciphertexts(seen.answers[2]), ciphertexts(seen.answers[1]));
}

// The same where the client takes turns: neither a result nor the ciphertexts of a step are taken for those of another
// query, and nothing is answered then.
TEST(Session, StepsAndResultsBelongToTheirQueries) {
  const ServiceWorld& w = world();
  const auto service = w.make_service();
  for (const MessageType what : {MessageType::step, MessageType::result}) {
    Session session(std::make_unique<Replay>(connect_in_process(*service, "client"), what), *w.client, *w.keys);
    session.classify("a gripping, beautiful film");
    const std::string refusal = error_of(ErrorCode::protocol, [&] { session.classify("bad"); });
    EXPECT_NE(refusal.find("does not belong to this query"), std::string::npos) << refusal;
  }
}

// Several sentences in one query, in places of a batch that has more.
TEST(Session, BatchesGiveTheClearLogits) {
  const ServiceWorld w({.max_relu_input = 4, .protocol = model::Protocol::one_round});
  const auto service = w.make_service();
  Session session(connect_in_process(*service, "client"), *w.client, *w.keys);
  std::vector<text::Encoding> encodings;
  for (const char* text : {"a gripping, beautiful film", "bad", "not bad ! it is a dull movie ."})
    encodings.push_back(w.client->encode(text));
  const std::vector<Answer> results = session.classify_batch(encodings);
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
  const ServiceWorld& w = world();
  const auto service = w.make_service();
  auto connection = connect_in_process(*service, "client");
  Connection& wire = *connection;
  Session session(std::move(connection), *w.client, *w.keys);
  EXPECT_TRUE(session.setup().keys_uploaded);
  EXPECT_GT(session.setup().bytes_sent, protocol::key_bytes(w.client->plan));
  const auto info = nlohmann::json::parse(session.setup().server_json);
  EXPECT_EQ(info["model"], "random");
  EXPECT_EQ(info["security_bits"], 128);
  EXPECT_EQ(info["plan"], w.client->plan.fingerprint);

  const std::string long_text = "the film is not very good , and it is not bad ! it is a dull movie .";
  for (const std::string& text : {std::string("a gripping, beautiful film"), long_text, std::string("bad")}) {
    const std::uint64_t before = wire.bytes_sent();
    const Answer result = session.classify(text);
    const auto expected = w.clear_logits(text);
    ASSERT_EQ(result.logits.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(result.logits[i], expected[i], 1e-2) << text;
    EXPECT_EQ(result.label, expected[1] > expected[0] ? 1u : 0u);
    EXPECT_NEAR(result.score, 1 / (1 + std::exp(-std::abs(expected[1] - expected[0]))), 1e-2);
    EXPECT_EQ(result.tokens, static_cast<int>(w.client->encode(text).ids.size()));
    EXPECT_EQ(result.bucket, text == long_text ? 32 : 16);
    const std::size_t bucket = text == long_text ? 1 : 0;
    EXPECT_EQ(result.bytes_sent, wire.bytes_sent() - before);
    std::size_t up = 0, down = 0;
    const std::size_t steps = w.client->plan.circuits.programs[bucket].steps.size();
    for (std::size_t s = 0; s < steps; ++s) up += kHeaderBytes + message_bytes(fresh_sizes(w.client->plan, bucket, s));
    for (std::size_t s = 1; s <= steps; ++s)
      down += kHeaderBytes + message_bytes(step_sizes(w.client->plan, bucket, s));
    EXPECT_EQ(result.bytes_sent, up);
    EXPECT_EQ(result.bytes_received, down);
    const PhaseTimes& t = result.seconds;
    for (const double phase : {t.embed, t.encrypt, t.turns, t.server, t.network, t.decrypt}) EXPECT_GE(phase, 0);
    EXPECT_NEAR(t.total, t.embed + t.encrypt + t.turns + t.server + t.network + t.decrypt, 0.1 * t.total + 0.01);
  }
}

TEST(Session, KeysAreUploadedOnce) {
  const ServiceWorld& w = world();
  const auto server = w.make_service();
  for (int i = 0; i < 3; ++i) {
    const Session session(connect_in_process(*server, "client"), *w.client, *w.keys);
    EXPECT_EQ(session.setup().keys_uploaded, i == 0);
  }
  EXPECT_EQ(server->statistics().key_uploads, 1u);
  EXPECT_EQ(server->statistics().key_sets, 1u);
  EXPECT_GT(server->statistics().key_bytes, 0u);
}

TEST(Session, LeastRecentlyUsedKeysGoFirst) {
  const ServiceWorld& w = world();
  server::ServiceOptions options;
  options.limits.key_memory = w.client->plan.circuits.key_bytes_memory * 3 / 2;  // room for one set
  const auto server = w.make_service(options);
  const ClientKeys other = w.make_keys("other-keys");
  const auto uploaded = [&](const ClientKeys& keys) {
    return Session(connect_in_process(*server, "client"), *w.client, keys).setup().keys_uploaded;
  };
  EXPECT_TRUE(uploaded(*w.keys));
  EXPECT_TRUE(uploaded(other));
  EXPECT_FALSE(uploaded(other));
  EXPECT_TRUE(uploaded(*w.keys));
  EXPECT_EQ(server->statistics().key_sets, 1u);
}

TEST(Session, TextsThatCannotBeClassified) {
  const ServiceWorld& w = world();
  const auto service = w.make_service();
  Session session(connect_in_process(*service, "client"), *w.client, *w.keys);
  error_of(ErrorCode::input, [&] { session.classify("bad \xff bytes"); });
  std::string long_text;
  for (int i = 0; i < kMaxTokens - 1; ++i) long_text += "film ";
  error_of(ErrorCode::input, [&] { session.classify(long_text); });
  EXPECT_EQ(session.classify("good").logits.size(), 2u);  // the session goes on
  EXPECT_EQ(session.classify("  \t ").tokens, 2);         // an empty text is [CLS] [SEP]
}

TEST(Session, AnotherPlanIsAnErrorOnBothSides) {
  const ServiceWorld& w = world();
  const ClientModel other = client::load_client_model(w.folder.path() / "model", 16);
  const auto service = w.make_service();
  const std::string message =
      error_of(ErrorCode::keys, [&] { Session(connect_in_process(*service, "client"), other, *w.keys); });
  EXPECT_NE(message.find(w.client->plan.fingerprint), std::string::npos) << message;
  EXPECT_NE(message.find("--max-tokens"), std::string::npos) << message;
  error_of(ErrorCode::keys, [&] { client::load_keys(other.plan, w.folder.path() / "keys"); });
}

TEST(Session, ServerThatDiesHalfWay) {
  const ServiceWorld& w = world();
  auto [near, far] = connect_in_memory();
  std::thread dying([&w, far = std::move(far)]() mutable {
    const Expected hello[] = {{MessageType::hello, protocol::kHelloBytes}};
    far->receive(hello, in(10s));
    far->send(MessageType::server_info, encode(ServerInfo{true, {}, "{}"}), in(10s));
    const Expected query[] = {{MessageType::query, protocol::max_query_bytes(w.client->plan)}};
    far->receive(query, in(10s));
    far->close();
  });
  Session session(std::move(near), *w.client, *w.keys);
  error_of(ErrorCode::network, [&] { session.classify("a film"); });
  dying.join();
}

// Whoever waited in vain is told for how long, and how to wait longer.
TEST(Session, ServerThatSaysNothing) {
  const ServiceWorld& w = world();
  auto [near, far] = connect_in_memory();
  SessionOptions options;
  options.timeout = 10ms;
  const std::string message = error_of(ErrorCode::network, [&, near = std::move(near)]() mutable {
    Session(std::move(near), *w.client, *w.keys, options);
  });
  EXPECT_NE(message.find("time-out while waiting"), std::string::npos) << message;
  EXPECT_NE(message.find("within 1 s"), std::string::npos) << message;
  EXPECT_NE(message.find("--timeout"), std::string::npos) << message;
}

// A server's answers that are not what the plan allows never get past the client's checks.
TEST(Session, ServerThatLies) {
  const ServiceWorld& w = world();
  const auto sizes = step_sizes(w.client->plan, 0, 1);
  Bytes garbage = encode(CiphertextsHead{1, static_cast<std::uint32_t>(sizes.size()), 0}, {});
  garbage.resize(message_bytes(sizes), std::byte{0x5a});
  const std::vector<std::pair<MessageType, Bytes>> answers = {
      {MessageType::step, garbage},
      {MessageType::step, Bytes(3)},
      {MessageType::result, garbage},
      {MessageType::step, encode(CiphertextsHead{2, static_cast<std::uint32_t>(sizes.size()), 0}, {})},
      {MessageType::step, Bytes(message_bytes(sizes) + 1)}};
  for (const auto& [type, payload] : answers) {
    auto [near, far] = connect_in_memory();
    std::thread lying([&, &type = type, &payload = payload, far = std::move(far)]() mutable {
      const Expected hello[] = {{MessageType::hello, protocol::kHelloBytes}};
      far->receive(hello, in(10s));
      far->send(MessageType::server_info, encode(ServerInfo{true, {}, "{}"}), in(10s));
      const Expected query[] = {{MessageType::query, protocol::max_query_bytes(w.client->plan)}};
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

// The keys are dropped between two queries: they are sent again, and the caller sees nothing of it.
TEST(Session, DroppedKeysAreSentAgain) {
  const ServiceWorld& w = world();
  server::ServiceOptions options;
  options.limits.key_memory = w.client->plan.circuits.key_bytes_memory * 3 / 2;
  const auto service = w.make_service(options);
  Session session(connect_in_process(*service, "a"), *w.client, *w.keys);
  session.classify("good");
  const ClientKeys other = w.make_keys("other-keys");
  { const Session pushes_out(connect_in_process(*service, "b"), *w.client, other); }
  EXPECT_EQ(session.classify("good").logits.size(), 2u);
  EXPECT_EQ(service->statistics().key_uploads, 3u);
}

// A server that stays busy is told apart from one that is gone, and it is asked again first.
TEST(Session, ABusyServerIsAskedAgain) {
  const ServiceWorld& w = world();
  // One that is busy so many times and then hangs up, and a client of that patience: what it is told in the end, and
  // how often it has asked.
  const auto ask = [&](std::chrono::milliseconds patience, ErrorCode end, int times) {
    auto [near, far] = connect_in_memory();
    int asked = 0;
    std::thread busy([&, server = std::move(far)]() mutable {
      const Expected hello[] = {{MessageType::hello, protocol::kHelloBytes}};
      server->receive(hello, in(10min));
      server->send(MessageType::server_info, encode(ServerInfo{true, {}, "{}"}), in(10min));
      const Expected query[] = {{MessageType::query, protocol::max_query_bytes(w.client->plan)}};
      try {
        while (asked < times) {
          server->receive(query, in(10min));
          ++asked;
          server->send(MessageType::busy, encode(protocol::BusyMessage{1ms, "busy: all is taken"}), in(10min));
        }
      } catch (const Error&) {
      }
      server.reset();
    });
    std::string message;
    {
      Session session(std::move(near), *w.client, *w.keys, {.patience = patience});
      message = error_of(end, [&] { session.classify("a film"); });
    }
    busy.join();
    return std::pair(message, asked);
  };
  EXPECT_EQ(ask(10min, ErrorCode::network, 3).second, 3);
  const auto [message, asked] = ask(0ms, ErrorCode::busy, 3);
  EXPECT_NE(message.find("all is taken"), std::string::npos) << message;
  EXPECT_EQ(asked, 1);
}

// Threads that work while others come and go.
TEST(Session, ManyClientsOnThreadsOfTheService) {
  const ServiceWorld& w = world();
  server::ServiceOptions options;
  options.threads = 1;
  const auto service = w.make_service(options);
  std::vector<std::thread> workers, clients;
  for (int i = 0; i < 2; ++i) {
    workers.emplace_back([&] {
      while (service->work_or_wait()) {
      }
    });
  }
  const auto expected = w.clear_logits("a good film");
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      for (int k = 0; k < 2; ++k) {
        Session session(connect_in_process(*service, "client" + std::to_string(i)), *w.client, *w.keys, {.threads = 1});
        EXPECT_NEAR(session.classify("a good film").logits[0], expected[0], 1e-2);
        // One that leaves in the middle of its query.
        auto leaving = connect_in_process(*service, "leaving" + std::to_string(i));
        leaving->send(MessageType::hello,
                      encode(protocol::Hello{protocol::fingerprint(w.client->plan), {}, w.keys->fingerprint}), in(5s));
        const auto encoding = w.client->encode("bad");
        const client::ClientQuery query(*w.client, *w.keys, std::span(&encoding, 1), 1);
        leaving->send(MessageType::query, query.first().payload, in(5s));
      }
    });
  }
  for (auto& client : clients) client.join();
  service->shut_down();
  for (auto& worker : workers) worker.join();
  while (service->work()) {
  }
  const server::ServiceStatistics s = service->statistics();
  EXPECT_EQ(s.open_sessions + s.open_queries + s.queued, 0u);
  EXPECT_EQ(s.queries, 8u);
  EXPECT_EQ(s.memory, s.key_bytes + s.weight_bytes);
}

}  // namespace
}  // namespace thex::transport
