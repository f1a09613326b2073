// A client by hand and a clock that is set by hand, for tests of the service: nothing here waits.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <span>
#include <string>

#include "tests/support/service_world.h"
#include "thex/client/query.h"
#include "thex/protocol/message_sizes.h"

namespace thex::server {

using protocol::Bytes;
using protocol::ByteView;
using protocol::Message;
using protocol::MessageType;
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
  std::unique_ptr<Service> make(Limits limits = {}, const ServiceWorld& world = the_x_world(), TimeSource now = {}) {
    ServiceOptions options;
    options.limits = limits;
    options.threads = 1;
    options.now = now ? std::move(now) : clock_.source();
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
  // Room for one client's keys, an upload of others, and little more than two runs.
  static Limits limits_of_few_runs(const encoder::InferencePlan& plan) {
    Limits limits;
    limits.key_memory = plan.circuits.key_bytes_memory * 11 / 10;
    limits.memory = limits.key_memory + protocol::key_bytes(plan) * 6 / 5 + 2 * run_bytes(plan);
    return limits;
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

}  // namespace thex::server
