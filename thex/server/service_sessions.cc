// What clients send: the service's part of each conversation.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "thex/base/hex.h"
#include "thex/protocol/message_sizes.h"
#include "thex/server/service.h"

namespace thex::server {

using protocol::Bytes;
using protocol::ByteView;
using protocol::Message;
using protocol::MessageType;

namespace {

// A client has all of an answer before it sends its next message, so nothing is unsent then. Who goes on asking without
// reading would fill the memory with answers.
constexpr std::uint64_t kMostUnread = std::uint64_t{64} << 10;
// Lines of the log about what clients do wrong, in a second: beyond it the log itself would be what is attacked.
constexpr int kMostLines = 20;

}  // namespace

SessionId Service::open(const std::string& principal, const std::string& peer, std::shared_ptr<Carrier> carrier) {
  const std::lock_guard lock(mutex_);
  try {
    if (draining_) throw stopping();
    make_place(principal);
  } catch (const Error&) {
    ++count_.refused;
    throw;
  }
  auto session = std::make_unique<Session>();
  session->id = next_id_++;
  session->principal = principal;
  session->peer = peer;
  session->carrier = std::move(carrier);
  session->enter(SessionState::greeting, options_.now());
  const SessionId id = session->id;
  sessions_.emplace(id, std::move(session));
  ++count_.sessions;
  return id;
}

// Room for one more session of this principal, if need be in the place of one that says nothing: the oldest without a
// hello, else the one that has been idle longest.
void Service::make_place(const std::string& principal) {
  const Limits& limits = options_.limits;
  const Time now = options_.now();
  const auto crowded = [&](bool of_principal, std::size_t bound) {
    std::size_t count = 0;
    Session* silent = nullptr;
    for (const auto& [id, session] : sessions_) {
      if (of_principal && session->principal != principal) continue;
      ++count;
      const bool mute = session->state == SessionState::greeting;
      const bool idle = session->state == SessionState::ready && !session->arriving && session->unsent == 0 &&
                        now - session->since > limits.hello_timeout;
      if (!mute && !idle) continue;
      const auto rank = [](const Session& s) { return std::pair(s.state != SessionState::greeting, s.since); };
      if (!silent || rank(*session) < rank(*silent)) silent = session.get();
    }
    if (count < bound) return false;
    if (!silent) return true;
    fail(*silent, Error(ErrorCode::busy, "the server needs the place of a connection that says nothing"));
    return false;
  };
  if (crowded(true, limits.sessions_each)) {
    throw Error(ErrorCode::busy, fmt::format("the server serves {} connections of yours already; try again later",
                                             limits.sessions_each));
  }
  if (crowded(false, limits.sessions)) {
    throw Error(ErrorCode::busy, fmt::format("the server serves {} clients already; try again later", limits.sessions));
  }
}

Session* Service::find(SessionId id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.get();
}

bool Service::announce(SessionId id, MessageType type, std::uint64_t length) {
  const std::lock_guard lock(mutex_);
  Session* const session = find(id);
  if (!session) return false;
  try {
    protocol::check_expected(type, length, session->expected(plan()));
    if (session->unsent > kMostUnread)
      throw Error(ErrorCode::protocol, "the peer goes on sending without reading what is sent to it");
  } catch (const Error& error) {
    fail(*session, error);
    return false;
  }
  session->arriving = type;
  session->arrival = {options_.now(), 0};
  session->arrival_memory = budget_.charge(type == MessageType::keys_chunk ? Use::uploads : Use::queries, 0);
  return true;
}

bool Service::arrived(SessionId id, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  Session* const session = find(id);
  if (!session || !session->arriving) return false;
  session->arrival.bytes += bytes;
  if (session->state == SessionState::uploading) session->upload_transfer.bytes += bytes;
  if (session->arrival_memory.grow(bytes)) return true;
  ++count_.refused;
  room_wanted_ = options_.now();
  fail(*session, Error(ErrorCode::busy, "the server has no memory left for what you send; try again later"));
  return false;
}

void Service::deliver(SessionId id, Message message) {
  const std::lock_guard lock(mutex_);
  Session* const session = find(id);
  if (!session) return;
  session->arriving.reset();
  Reservation memory = std::move(session->arrival_memory);
  try {
    handle(*session, std::move(message), std::move(memory));
  } catch (const Error& error) {
    fail(*session, error);
  } catch (const std::bad_alloc&) {
    ++count_.refused;
    fail(*session, Error(ErrorCode::busy, "the server is out of memory; try again later"));
  }
}

void Service::handle(Session& session, Message message, Reservation memory) {
  protocol::check_expected(message.type, message.payload.size(), session.expected(plan()));
  switch (message.type) {
    case MessageType::hello:
      return greet(session, message.payload);
    case MessageType::keys_offer:
      return take_offer(session);
    case MessageType::keys_chunk:
      if (!session.upload_memory.absorb(std::move(memory)))
        throw Error(ErrorCode::internal, "an upload whose memory is of another kind than its pieces'");
      return take_chunk(session, message.payload);
    case MessageType::query:
      return take_query(session, std::move(message), std::move(memory));
    default:
      return take_reply(session, std::move(message), std::move(memory));
  }
}

void Service::greet(Session& session, ByteView payload) {
  const protocol::Hello hello = protocol::parse_hello(payload);
  if (hello.plan != circuits_.plan_fingerprint()) {
    throw Error(
        ErrorCode::keys,
        fmt::format("this server runs plan {} ({}, up to {} tokens), the client asked for plan "
                    "{}: use the same model, --max-tokens, --protocol, --network and version of thex on both sides",
                    hex(circuits_.plan_fingerprint()), options_.model_name, plan().max_tokens(), hex(hello.plan)));
  }
  if (const auto differ = protocol::mismatch(hello.parts, options_.parts)) throw Error(ErrorCode::model, *differ);
  session.keys = hello.keys;
  session.flow = hex(hello.keys);
  session.enter(SessionState::ready, options_.now());
  send(session, MessageType::server_info,
       encode(protocol::ServerInfo{keys_.contains(hello.keys), options_.parts, describe()}));
}

void Service::take_offer(Session& session) {
  std::size_t uploads = 0;
  for (const auto& [id, other] : sessions_) {
    const bool uploading = other->state == SessionState::uploading || other->state == SessionState::checking;
    uploads += uploading && other->principal == session.principal ? 1 : 0;
  }
  if (uploads >= options_.limits.uploads_each) {
    return refuse(session, fmt::format("{} uploads of keys from your address are under way already", uploads));
  }
  if (uploads > 0 && (uploads + 1) * key_bytes_ > options_.limits.memory / 4)
    return refuse(session, "keys from your address are on their way already, and more would take too much memory");
  if (!budget_.would_fit(Use::uploads, key_bytes_) || !keys_.could_make_room(plan().circuits.key_bytes_memory)) {
    room_wanted_ = options_.now();
    return refuse(session, "the server has no memory left for your keys");
  }
  session.upload.clear();
  session.upload_memory = budget_.charge(Use::uploads, 0);
  session.upload_transfer = {options_.now(), 0};
  session.enter(SessionState::uploading, options_.now());
  send(session, MessageType::keys_wanted, {});
}

void Service::take_chunk(Session& session, ByteView payload) {
  if (payload.empty()) throw Error(ErrorCode::protocol, "an empty piece of the evaluation keys");
  session.upload.reserve(key_bytes_);  // pages that nothing is written to cost nothing
  session.upload.insert(session.upload.end(), payload.begin(), payload.end());
  if (session.upload.size() < key_bytes_) return;
  session.enter(SessionState::checking, options_.now());
  queue_.push(session.principal, session.flow, {JobKind::check_keys, session.id});
  changed();
}

void Service::take_query(Session& session, Message message, Reservation memory) {
  session.program = program_of(plan(), message.payload);
  if (!keys_.contains(session.keys)) {
    session.enter(SessionState::ready, options_.now());
    return send(session, MessageType::keys_missing, {});
  }
  std::size_t all = 0, own = 0;
  for (const auto& [id, other] : sessions_) {
    if (other->state != SessionState::queued) continue;
    ++all;
    own += other->principal == session.principal ? 1 : 0;
  }
  if (own >= options_.limits.queued_each)
    return refuse(session, fmt::format("{} queries from your address wait already", own));
  if (all >= options_.limits.queued) return refuse(session, fmt::format("{} queries wait already", all));
  session.query = {std::move(message), std::move(memory)};
  session.enter(SessionState::queued, options_.now());
  queue_.push(session.principal, session.flow, {JobKind::begin_query, session.id});
  changed();
}

void Service::take_reply(Session& session, Message message, Reservation memory) {
  const std::uint32_t index = protocol::parse_head(message.payload).index;
  if (index != session.awaited_step) {
    throw Error(ErrorCode::protocol,
                fmt::format("an answer to step {}, expected one to step {}", index, session.awaited_step));
  }
  session.awaited_step = 0;
  session.turns_taken += options_.now() - session.step_sent;
  session.replies.push_back({std::move(message), std::move(memory)});
  queue_.push_front(session.principal, session.flow, {JobKind::reply, session.id});
  changed();
}

void Service::send(Session& session, MessageType type, Bytes payload) {
  const std::size_t bytes = payload.size();
  if (session.unsent == 0) session.sending = {options_.now(), 0};
  session.unsent += bytes;
  session.carrier->send({type, std::move(payload)}, budget_.charge(Use::answers, bytes));
}

void Service::sent(SessionId id, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  Session* const session = find(id);
  if (!session) return;
  session->sending.bytes += bytes;
  session->unsent -= std::min<std::uint64_t>(bytes, session->unsent);
}

// A line of the log that clients can cause as often as they like: of each second the first ones are written, the others
// counted.
void Service::complain(LogLevel level, const std::string& line) {
  const Time now = options_.now();
  if (now - complaints_since_ >= std::chrono::seconds(1)) {
    if (complaints_ > kMostLines)
      log(LogLevel::warning, fmt::format("{} more lines like the last ones", complaints_ - kMostLines));
    complaints_since_ = now;
    complaints_ = 0;
  }
  if (++complaints_ <= kMostLines) log(level, line);
}

// An upload or a query that cannot be taken: the session goes on.
void Service::refuse(Session& session, const std::string& why) {
  ++count_.refused;
  complain(LogLevel::warning, fmt::format("{}: busy: {} ({} refused so far)", session.peer, why, count_.refused));
  session.enter(SessionState::ready, options_.now());
  send(session, MessageType::busy,
       encode(protocol::BusyMessage{options_.limits.retry_after, "busy: " + why + "; try again"}));
}

void Service::fail(SessionId id, const Error& error) {
  const std::lock_guard lock(mutex_);
  if (Session* const session = find(id)) fail(*session, error);
}

void Service::fail(Session& session, const Error& error) {
  ++count_.failures;
  try {
    complain(error.code() == ErrorCode::internal ? LogLevel::error : LogLevel::warning,
             session.peer + ": " + error.what());
  } catch (const std::bad_alloc&) {
    // Without memory for the line, the log lacks it; the session ends all the same.
  }
  end(session, error);
}

void Service::end(Session& session, const Error& error) {
  try {
    send(session, MessageType::error, encode(protocol::ErrorMessage{error.code(), error.what()}));
  } catch (const std::bad_alloc&) {
    // The client sees the end of the connection at least.
  }
  const std::shared_ptr<Carrier> carrier = session.carrier;
  remove(session.id);
  carrier->finish();
}

void Service::close(SessionId id) {
  const std::lock_guard lock(mutex_);
  if (find(id)) remove(id);
}

// What is under way for a session ends.
void Service::drop_work(Session& session) {
  if (session.running) {
    session.running->stop.request_stop();
    session.running.reset();
    ++count_.cancelled;
  }
  queue_.remove([&](const Job& job) { return job.id == session.id; });
  if (starving_ == session.id) starving_ = 0;
  session.query = {};
  session.replies.clear();
  session.awaited_step = 0;
  changed();
}

void Service::remove(SessionId id) {
  drop_work(*find(id));
  sessions_.erase(id);
}

}  // namespace thex::server
