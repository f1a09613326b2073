#include "thex/transport/in_process.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "thex/transport/frame.h"

namespace thex::transport {
namespace {

class Inbox : public server::Carrier {
 public:
  void send(protocol::Message message, server::Reservation memory) noexcept override {
    const std::lock_guard lock(mutex_);
    messages_.push_back({std::move(message), std::move(memory)});
    changed_.notify_all();
  }
  void finish() noexcept override {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }

  bool pending() {
    const std::lock_guard lock(mutex_);
    return finished_ || !messages_.empty();
  }
  // Waits until something is there or the session is over; false when the deadline passes first.
  bool wait(Deadline deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline, [&] { return finished_ || !messages_.empty(); });
  }
  // Nothing at the end of the session.
  std::optional<server::HeldMessage> take() {
    const std::lock_guard lock(mutex_);
    if (messages_.empty()) return std::nullopt;
    server::HeldMessage first = std::move(messages_.front());
    messages_.pop_front();
    return first;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<server::HeldMessage> messages_;
  bool finished_ = false;
};

class InProcessConnection : public Connection {
 public:
  InProcessConnection(server::Service& service, const std::string& principal)
      : service_(service), inbox_(std::make_shared<Inbox>()), id_(service.open(principal, principal, inbox_)) {}
  ~InProcessConnection() override { close(); }

  void send(protocol::MessageType type, protocol::ByteView payload, Deadline) override {
    sent_ += kHeaderBytes + payload.size();
    if (service_.announce(id_, type, payload.size()) && service_.arrived(id_, payload.size()))
      service_.deliver(id_, {type, protocol::Bytes(payload.begin(), payload.end())});
  }

  protocol::Message receive(std::span<const protocol::Expected> expected, Deadline deadline) override {
    while (!inbox_->pending()) {
      if (service_.work()) continue;
      if (!inbox_->wait(deadline)) throw TimedOut("time-out while waiting for " + peer());
    }
    auto held = inbox_->take();
    if (!held) throw ConnectionClosed(peer() + " closed the connection");
    service_.sent(id_, held->message.payload.size());
    received_ += kHeaderBytes + held->message.payload.size();
    protocol::check_expected(held->message.type, held->message.payload.size(), expected);
    return std::move(held->message);
  }

  bool pending() override { return inbox_->pending(); }
  void close() noexcept override { service_.close(id_); }
  std::string peer() const override { return "the service"; }

 private:
  server::Service& service_;
  const std::shared_ptr<Inbox> inbox_;
  const server::SessionId id_;
};

}  // namespace

std::unique_ptr<Connection> connect_in_process(server::Service& service, const std::string& principal) {
  return std::make_unique<InProcessConnection>(service, principal);
}

}  // namespace thex::transport
