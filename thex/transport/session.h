// A client's session with a server over a connection: greets, sends its keys when they are wanted, asks and waits.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thex/client/answer.h"
#include "thex/client/keys.h"
#include "thex/client/model.h"
#include "thex/transport/connection.h"

namespace thex::transport {

struct SessionOptions {
  int threads = 2;                              // for encryption and decryption
  std::chrono::milliseconds timeout{120'000};   // for one message of the server, its work included
  std::chrono::milliseconds patience{120'000};  // how long it goes on asking a server that is busy
};

// What connecting cost.
struct SessionSetup {
  bool keys_uploaded = false;
  double seconds = 0;
  std::uint64_t bytes_sent = 0;
  std::string server_json;  // the server's description of itself
};

// Keys are uploaded when the server does not hold them, also when it has dropped them since. Not for several threads at
// once. `model` and `keys` must outlive the session. Every method throws Error(network), Error(protocol), Error(busy)
// when the server stayed busy, Error(model) when it has another model, or what the server reports.
class Session {
 public:
  Session(std::unique_ptr<Connection> connection, const client::ClientModel& model, const client::ClientKeys& keys,
          const SessionOptions& options = {});
  ~Session();

  const SessionSetup& setup() const { return setup_; }
  client::Answer classify(std::string_view text, std::optional<std::string_view> pair = std::nullopt);
  // For token ids that are there already.
  client::Answer classify(const text::Encoding& encoding);
  // Several sentences in one query, answers in their order. Throws Error(input) when the plan has no batch that holds
  // them; see client/batches.h.
  std::vector<client::Answer> classify_batch(std::span<const text::Encoding> encodings);

 private:
  void send(protocol::MessageType type, protocol::ByteView payload);
  protocol::Message receive(std::span<const protocol::Expected> expected);
  void greet();
  void upload_keys();
  // Waits before the next try; throws Error(busy) when `since` is longer ago than the patience lasts.
  void wait_for_room(const protocol::Message& busy, Time since);

  std::unique_ptr<Connection> connection_;
  const client::ClientModel& model_;
  const client::ClientKeys& keys_;
  SessionOptions options_;
  SessionSetup setup_;
};

}  // namespace thex::transport
