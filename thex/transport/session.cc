#include "thex/transport/session.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "thex/client/query.h"
#include "thex/protocol/messages.h"

namespace thex::transport {

using client::Answer;
using protocol::ByteView;
using protocol::Expected;
using protocol::Message;
using protocol::MessageType;

namespace {

// How often a query is asked again because its keys were dropped while it waited.
constexpr int kMostUploads = 5;
constexpr Expected kBusy{MessageType::busy, protocol::kMaxBusyBytes};

// A time-out with what may be done about it.
Error slow(const TimedOut& error, std::chrono::milliseconds timeout) {
  return {error.code(), std::string(error.what()) + ": not done within " +
                            std::to_string(std::chrono::ceil<std::chrono::seconds>(timeout).count()) +
                            " s; the server is slow or gone, and a longer --timeout waits longer"};
}

}  // namespace

Session::Session(std::unique_ptr<Connection> connection, const client::ClientModel& model,
                 const client::ClientKeys& keys, const SessionOptions& options)
    : connection_(std::move(connection)), model_(model), keys_(keys), options_(options) {
  greet();
}

Session::~Session() { connection_->close(); }

// A server that ends the session says why before it hangs up: that is what the caller should hear.
void Session::send(MessageType type, ByteView payload) {
  try {
    connection_->send(type, payload, in(options_.timeout));
  } catch (const Error& lost) {
    if (lost.code() != ErrorCode::network) throw;
    const Expected reason[] = {{MessageType::error, protocol::kMaxErrorBytes}};
    Message said;
    try {
      said = connection_->receive(reason, in(std::chrono::seconds(1)));
    } catch (const Error&) {
      if (const auto* const late = dynamic_cast<const TimedOut*>(&lost)) throw slow(*late, options_.timeout);
      throw lost;
    }
    protocol::throw_peer_error(said.payload, connection_->peer());
  }
}

Message Session::receive(std::span<const Expected> expected) {
  std::vector<Expected> all(expected.begin(), expected.end());
  all.push_back({MessageType::error, protocol::kMaxErrorBytes});
  Message message;
  try {
    message = connection_->receive(all, in(options_.timeout));
  } catch (const TimedOut& late) {
    throw slow(late, options_.timeout);
  }
  if (message.type == MessageType::error) protocol::throw_peer_error(message.payload, connection_->peer());
  return message;
}

void Session::greet() {
  const Time start = Clock::now();
  send(MessageType::hello,
       encode(protocol::Hello{protocol::fingerprint(model_.plan), model_.parts, keys_.fingerprint}));
  const Expected info[] = {{MessageType::server_info, protocol::kMaxInfoBytes}};
  protocol::ServerInfo server = protocol::parse_server_info(receive(info).payload);
  if (const auto differ = protocol::mismatch(model_.parts, server.parts)) throw Error(ErrorCode::model, *differ);
  if (!server.has_keys) upload_keys();
  setup_.seconds = seconds_since(start);
  setup_.bytes_sent = connection_->bytes_sent();
  setup_.server_json = std::move(server.json);
}

void Session::wait_for_room(const Message& busy, Time since) {
  const protocol::BusyMessage message = protocol::parse_busy(busy.payload);
  // Two seconds at most, whatever the server says: it may have room long before.
  const auto pause = std::clamp(message.retry_after, std::chrono::milliseconds(10), std::chrono::milliseconds(2000));
  if (Clock::now() + pause - since > options_.patience)
    throw Error(ErrorCode::busy, connection_->peer() + " says: " + message.text);
  std::this_thread::sleep_for(pause);
}

void Session::upload_keys() {
  const Time start = Clock::now();
  const std::string keys = keys_.evaluation_keys();
  const Expected answers[] = {{MessageType::keys_wanted, 0}, kBusy};
  const Expected ready[] = {{MessageType::keys_ready, 0}, kBusy};
  while (true) {
    send(MessageType::keys_offer, {});
    Message answer = receive(answers);
    if (answer.type == MessageType::keys_wanted) {
      const ByteView view = std::as_bytes(std::span(keys.data(), keys.size()));
      for (std::size_t at = 0; at < view.size(); at += protocol::kMaxChunkBytes) {
        if (connection_->pending()) receive({});  // nothing but an error comes before all is sent
        send(MessageType::keys_chunk,
             view.subspan(at, std::min<std::size_t>(protocol::kMaxChunkBytes, view.size() - at)));
      }
      answer = receive(ready);
      if (answer.type == MessageType::keys_ready) break;
    }
    wait_for_room(answer, start);
  }
  setup_.keys_uploaded = true;
}

Answer Session::classify(std::string_view text, std::optional<std::string_view> pair) {
  const Time start = Clock::now();
  const text::Encoding encoding = model_.encode(text, pair);
  const double spent = seconds_since(start);
  Answer result = classify(encoding);
  result.seconds.embed += spent;
  result.seconds.total += spent;
  return result;
}

Answer Session::classify(const text::Encoding& encoding) {
  return std::move(classify_batch(std::span(&encoding, 1)).front());
}

std::vector<Answer> Session::classify_batch(std::span<const text::Encoding> encodings) {
  if (encodings.empty()) return {};
  const Time start = Clock::now();
  const std::uint64_t sent_before = connection_->bytes_sent(), received_before = connection_->bytes_received();
  client::ClientQuery query(model_, keys_, encodings, options_.threads);
  double waited = 0;
  const auto exchange = [&](const Message& message, std::span<const Expected> expected) {
    const Time sending = Clock::now();
    send(message.type, message.payload);
    Message answer = receive(expected);
    waited += seconds_since(sending);
    return answer;
  };
  const Expected answers[] = {query.expected(), {MessageType::keys_missing, 0}, kBusy};
  Message answer = exchange(query.first(), answers);
  for (int uploads = 0; answer.type == MessageType::busy || answer.type == MessageType::keys_missing;) {
    if (answer.type == MessageType::busy) {
      wait_for_room(answer, start);
    } else if (++uploads > kMostUploads) {
      throw Error(ErrorCode::busy, connection_->peer() +
                                       " has no room to keep the keys until the query's turn comes; "
                                       "try again later");
    } else {
      upload_keys();
    }
    answer = exchange(query.first(), answers);
  }
  while (const auto reply = query.take(answer)) {
    const Expected next[] = {query.expected()};
    answer = exchange(*reply, next);
  }
  std::vector<Answer> results = query.answers();
  const double total = seconds_since(start);
  for (Answer& result : results) {
    result.seconds.network = std::max(0.0, waited - result.seconds.server);
    result.seconds.total = total;
    result.bytes_sent = connection_->bytes_sent() - sent_before;
    result.bytes_received = connection_->bytes_received() - received_before;
  }
  return results;
}

}  // namespace thex::transport
