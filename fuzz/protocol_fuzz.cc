// Any bytes from a peer: frames, messages, what a client may send to a server and a server to a client, where the
// client evaluates ReLUs and in masked rounds. Whatever arrives ends in an Error of its documented kind or in a regular
// answer. The first byte chooses what is played.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "fuzz/small_model.h"
#include "tests/support/temporary_folder.h"
#include "thex/base/error.h"
#include "thex/client/key_files.h"
#include "thex/protocol/message_sizes.h"
#include "thex/server/service.h"
#include "thex/transport/frame.h"
#include "thex/transport/in_process.h"
#include "thex/transport/session.h"
#include "thex/transport/stream.h"

namespace {

using namespace thex;
using namespace thex::protocol;
using namespace std::chrono_literals;

using thex::fuzz::small_model;

encoder::PlanRequest request_of(model::Protocol protocol) {
  encoder::PlanRequest request(16);
  request.protocol = protocol;
  return request;
}

// A model, its client, keys that the service knows already.
struct World {
  World(const model::ModelConfig& config, model::Protocol protocol)
      : client{small_model(config),
               text::Tokenizer::from_tokens({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e"}),
               encoder::plan_inference(config, request_of(protocol)),
               {}} {
    const TemporaryFolder folder;
    keys = std::make_unique<client::ClientKeys>(client::generate_keys(client.plan, folder.path(), false));
    const std::string sent = keys->evaluation_keys();
    server::ServiceOptions options;
    options.threads = 1;
    options.limits.key_memory = 2 * client.plan.circuits.key_bytes_memory;
    service = std::make_unique<server::Service>(std::make_shared<const model::Model>(small_model(config)),
                                                request_of(protocol), options);
    { transport::Session(transport::connect_in_process(*service, "first"), client, *keys, {.threads = 1}); }
    const auto view = std::as_bytes(std::span(sent.data(), sent.size()));
    uploaded.assign(view.begin(), view.end());
  }
  client::ClientModel client;
  std::unique_ptr<client::ClientKeys> keys;
  std::unique_ptr<server::Service> service;
  Bytes uploaded;  // the client's evaluation keys
};

World& with_relus() {
  static World instance(thex::fuzz::small_config(), model::Protocol::the_x);
  return instance;
}
World& in_masked_rounds() {
  static World instance(thex::fuzz::small_polynomial_config(), model::Protocol::masked_rounds);
  return instance;
}

// Plays `input` to the reader, a few bytes at a time, and forgets what is written.
class Played : public transport::ByteStream {
 public:
  explicit Played(Bytes input) : input_(std::move(input)) {}
  void write(ByteView, Deadline) override {}
  std::size_t read(std::span<std::byte> bytes, Deadline) override {
    const std::size_t n = std::min(bytes.size(), input_.size() - at_);
    std::copy_n(input_.begin() + static_cast<std::ptrdiff_t>(at_), n, bytes.begin());
    at_ += n;
    return n;
  }
  bool readable() override { return at_ < input_.size(); }
  void close() noexcept override {}
  std::string peer() const override { return "the fuzzer"; }

 private:
  Bytes input_;
  std::size_t at_ = 0;
};

void append_frame(Bytes& to, MessageType type, ByteView payload) {
  const auto header = transport::encode_header(type, payload.size());
  to.insert(to.end(), header.begin(), header.end());
  to.insert(to.end(), payload.begin(), payload.end());
}

// A message of exactly the right length: a valid head, then the input over and over.
Bytes sized(std::uint32_t index, const std::vector<std::size_t>& sizes, ByteView input) {
  Bytes bytes = encode(CiphertextsHead{index, static_cast<std::uint32_t>(sizes.size()), 0}, {});
  const std::size_t head = bytes.size();
  bytes.resize(message_bytes(sizes));
  if (input.empty()) return bytes;
  for (std::size_t i = head; i < bytes.size(); ++i) bytes[i] = input[(i - head) % input.size()];
  return bytes;
}

// An internal error is a finding, unless it is the peer that says it has one.
template <typename F>
void allow(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    if (e.code() == ErrorCode::internal && !std::string_view(e.what()).starts_with("the fuzzer says")) std::abort();
  }
}

// What the service says to the fuzzer: of errors the internal ones are findings.
class Ear : public server::Carrier {
 public:
  void send(Message message, server::Reservation) noexcept override {
    if (message.type == MessageType::error && parse_error(message.payload).code == ErrorCode::internal) std::abort();
  }
  void finish() noexcept override {}
};

// A stream of bytes as a carrier hands it on.
void feed(const World& w, ByteView input) {
  server::Service& service = *w.service;
  const server::SessionId id = service.open("fuzzer", "the fuzzer", std::make_shared<Ear>());
  transport::FrameReader reader;
  bool open = true;
  try {
    while (open && !input.empty()) {
      const bool payload = !reader.in_header();
      const auto space = reader.space();
      const std::size_t n = std::min(space.size(), input.size());
      std::copy_n(input.begin(), n, space.begin());
      input = input.subspan(n);
      if (const auto header = reader.commit(n)) open = service.announce(id, header->type, header->length);
      if (payload) open = service.arrived(id, n);
      if (open && reader.complete()) {
        service.deliver(id, reader.take());
        while (service.work()) {
        }
      }
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::protocol) std::abort();
    service.fail(id, error);
  }
  service.close(id);
  const server::ServiceStatistics s = service.statistics();
  if (s.open_sessions + s.queued + s.open_queries != 0 || s.memory != s.key_bytes + s.weight_bytes) std::abort();
}

void play_client(const World& w, ByteView input, bool greet, bool query) {
  Bytes bytes;
  if (greet) {
    append_frame(bytes, MessageType::hello, encode(Hello{fingerprint(w.client.plan), {}, w.keys->fingerprint}));
  }
  if (query) {
    append_frame(bytes, MessageType::query, sized(0, fresh_sizes(w.client.plan, 0, 0), input));
    append_frame(bytes, MessageType::step_reply, sized(1, fresh_sizes(w.client.plan, 0, 1), input));
  }
  bytes.insert(bytes.end(), input.begin(), input.end());
  feed(w, bytes);
}

// Keys of the announced fingerprint and of the right length, nearly all of them the client's own: `input` over their
// start.
void upload_keys(const World& w, ByteView input) {
  Bytes keys = w.uploaded;
  std::copy_n(input.begin(), std::min(input.size(), keys.size()), keys.begin());
  Bytes bytes;
  append_frame(bytes, MessageType::hello, encode(Hello{fingerprint(w.client.plan), {}, fingerprint(keys)}));
  append_frame(bytes, MessageType::keys_offer, {});
  const ByteView all(keys);
  for (std::size_t at = 0; at < all.size(); at += kMaxChunkBytes) {
    append_frame(bytes, MessageType::keys_chunk,
                 all.subspan(at, std::min<std::size_t>(kMaxChunkBytes, all.size() - at)));
  }
  feed(w, bytes);
}

void play_server(const World& w, ByteView input, bool greet, bool step) {
  Bytes bytes;
  if (greet) append_frame(bytes, MessageType::server_info, encode(ServerInfo{true, {}, "{}"}));
  if (step) append_frame(bytes, MessageType::step, sized(1, step_sizes(w.client.plan, 0, 1), input));
  bytes.insert(bytes.end(), input.begin(), input.end());
  allow([&] {
    transport::Session session(
        std::make_unique<transport::StreamConnection>(std::make_unique<Played>(std::move(bytes))), w.client, *w.keys,
        {.threads = 1, .patience = 0ms});
    session.classify("a b");
  });
}

void parse_messages(ByteView input) {
  allow([&] { parse_hello(input); });
  allow([&] { parse_server_info(input); });
  allow([&] { parse_busy(input); });
  allow([&] { parse_error(input); });
  const std::vector<std::size_t> sizes = {1, 2};
  allow([&] { split_ciphertexts(input, sizes); });
  transport::StreamConnection connection(std::make_unique<Played>(Bytes(input.begin(), input.end())));
  const Expected expected[] = {{MessageType::query, 1 << 20}, {MessageType::error, kMaxErrorBytes}};
  allow([&] {
    while (true) connection.receive(expected, in(1s));
  });
}

}  // namespace

// Before the clock of the first input starts.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  with_relus();
  in_masked_rounds();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input = std::as_bytes(std::span(data + 1, size - 1));
  const int play = data[0] % 64;  // what takes longest is played least
  const World& w = data[0] < 128 ? with_relus() : in_masked_rounds();
  if (play < 51) {
    parse_messages(input);
  } else if (play == 51) {
    upload_keys(w, input);
  } else if (play < 58) {
    play_client(w, input, play >= 55, false);
  } else if (play < 62) {
    play_server(w, input, play >= 60, false);
  } else if (play == 62) {
    play_client(w, input, true, true);
  } else {
    play_server(w, input, true, true);
  }
  return 0;
}
