// What the lent threads do: check keys, begin queries, go on with them.
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "thex/ckks/serialization.h"
#include "thex/ring/memory_pool.h"
#include "thex/server/service.h"

namespace thex::server {

using protocol::Message;
using protocol::MessageType;

// Whether a job may be done now; of a query that may, its memory and keys are set aside. With the lock held.
bool Service::admissible(const Job& job) {
  if (job.kind != JobKind::begin_query) return true;
  Session* const session = find(job.id);
  if (!session) return true;  // it is taken out and forgotten
  if (starving_ != 0 && starving_ != job.id) return false;
  std::size_t open = 0;
  for (const auto& [id, other] : sessions_)
    open += other->state == SessionState::running && other->principal == session->principal ? 1 : 0;
  if (open >= options_.limits.open_each) return false;
  SharedKeys keys = keys_.find(session->keys);
  if (keys) {
    auto memory = budget_.reserve(Use::runs, circuits_.working_bytes(session->program, options_.threads));
    if (!memory) {
      if (options_.now() - session->since > options_.limits.patience) starving_ = job.id;
      return false;
    }
    admitted_memory_ = std::move(*memory);
  }
  admitted_keys_ = std::move(keys);
  if (starving_ == job.id) starving_ = 0;
  return true;
}

bool Service::work() {
  Lock lock(mutex_);
  const std::optional<Job> job = queue_.pop([this](const Job& j) { return admissible(j); });
  if (!job) {
    if (!trim_wanted_) return false;
    trim_wanted_ = false;
    lock.unlock();
    give_memory_back();
    return true;
  }
  struct Busy {  // `lock` is held whenever it goes
    std::size_t& working;
    explicit Busy(std::size_t& w) : working(++w) {}
    ~Busy() { --working; }
  };
  const Busy busy(working_);
  switch (job->kind) {
    case JobKind::check_keys:
      check_keys(lock, job->id);
      break;
    case JobKind::begin_query:
      begin_query(lock, job->id);
      break;
    case JobKind::reply:
      give_replies(lock, job->id);
      break;
  }
  last_work_ = options_.now();
  changed();  // memory was given back: what had to wait for it may be admissible
  return true;
}

// Runs `work` without the lock. Whatever it throws is that session's error alone: a failure of the machine (memory,
// threads) refuses what was asked for while that can be said, anything else ends the session.
template <typename Work>
void Service::guarded(Lock& lock, SessionId id, Work&& work) {
  lock.unlock();
  std::optional<Error> error;
  bool machine = false;
  try {
    work();
  } catch (const Error& e) {
    error = e;
  } catch (const std::bad_alloc&) {
    error = Error(ErrorCode::busy, "the server has no memory left for this");
    machine = true;
  } catch (const std::system_error& e) {
    error = Error(ErrorCode::busy, fmt::format("the server has no means left for this ({})", e.code().message()));
    machine = true;
  } catch (const std::exception& e) {
    error = Error(ErrorCode::internal, e.what());
  }
  if (!lock.owns_lock()) lock.lock();
  Session* const session = find(id);
  if (!error || !session) return;
  // Once a step has gone out, `busy` is no answer any more: the session ends for the same reason.
  if (!machine || (session->running && session->running->step_sent)) return fail(*session, *error);
  drop_work(*session);
  refuse(*session, error->what());
}

void Service::check_keys(Lock& lock, SessionId id) {
  Session* session = find(id);
  if (!session) return;
  const protocol::KeyFingerprint announced = session->keys;
  const std::string principal = session->principal;
  const Time began = session->upload_transfer.start;
  protocol::Bytes bytes = std::exchange(session->upload, {});
  Reservation memory = std::move(session->upload_memory);
  bool room = true;
  guarded(lock, id, [&] {
    if (protocol::fingerprint(bytes) != announced)
      throw Error(ErrorCode::keys, "the evaluation keys that arrived are not those that were announced");
    if (keys_.contains(announced)) return;  // another connection of the client has brought them meanwhile
    const circuit::Plan& p = plan().circuits;
    auto space = keys_.free_room(p.key_bytes_memory);
    if (!space) {
      ckks::check_evaluation_keys(*p.context, bytes, p.keys);
      space = keys_.make_room(principal, p.key_bytes_memory);
    }
    room = space.has_value();
    if (room)
      keys_.insert(announced, principal, ckks::parse_evaluation_keys(*p.context, bytes, p.keys), std::move(*space));
    bytes = {};
    memory.release();
    const auto pool = ring::pool_statistics();
    if (pool.bytes_free > budget_.limit() - std::min(budget_.limit(), budget_.used())) give_memory_back();
  });
  session = find(id);
  if (!session || session->state != SessionState::checking) return;
  if (!room) {
    room_wanted_ = options_.now();
    return refuse(*session, "the keys of queries that run take all room for keys");
  }
  room_wanted_.reset();
  ++count_.key_uploads;
  log(LogLevel::info,
      fmt::format("{}: {:.1f} MB of keys in {:.2f} s; keys in memory: {:.1f} MB", session->peer,
                  static_cast<double>(key_bytes_) / 1e6, std::chrono::duration<double>(options_.now() - began).count(),
                  static_cast<double>(budget_.used(Use::keys)) / 1e6));
  session->enter(SessionState::ready, options_.now());
  send(*session, MessageType::keys_ready, {});
}

void Service::begin_query(Lock& lock, SessionId id) {
  SharedKeys keys = std::move(admitted_keys_);
  Reservation memory = std::move(admitted_memory_);
  Session* const session = find(id);
  if (!session) return;
  HeldMessage query = std::move(session->query);
  session->query = {};
  session->enter(SessionState::ready, options_.now());
  if (!keys) return send(*session, MessageType::keys_missing, {});
  std::shared_ptr<Running> running;
  guarded(lock, id, [&] { running = std::make_shared<Running>(); });
  if (!running || find(id) != session) return;
  running->memory = std::move(memory);
  running->working = true;
  session->running = running;
  session->turns_taken = {};
  session->enter(SessionState::running, options_.now());
  const std::size_t program = session->program;
  const protocol::KeyFingerprint fingerprint = session->keys;
  guarded(lock, id, [&] {
    running->run.emplace(circuits_, program, fingerprint, std::move(keys));
    running->run->supply(0, query.message.payload, options_.threads);
    query = {};
    lock.lock();
    advance(lock, id, running);
  });
}

void Service::give_replies(Lock& lock, SessionId id) {
  Session* const session = find(id);
  if (!session || session->replies.empty() || !session->running) return;
  const std::shared_ptr<Running> running = session->running;
  HeldMessage reply = std::move(session->replies.front());
  session->replies.pop_front();
  guarded(lock, id, [&] {
    running->run->supply(protocol::parse_head(reply.message.payload).index, reply.message.payload, options_.threads);
    reply = {};
    lock.lock();
    if (running->working || !running->run->runnable()) return;  // the thread in advance() takes it up
    running->working = true;
    advance(lock, id, running);
  });
}

// Works on a query until only its client can move it on. With the lock held before and after.
void Service::advance(Lock& lock, SessionId id, const std::shared_ptr<Running>& running) {
  std::optional<Message> result;
  while (true) {
    lock.unlock();
    result = running->run->advance(
        options_.threads, [&](std::size_t step, Message message) { emit_step(id, *running, step, std::move(message)); },
        running->stop.get_token());
    lock.lock();
    if (result) break;
    if (running->run->runnable()) continue;  // a reply came while it gave up
    running->working = false;
    return;
  }
  Session* const session = find(id);
  if (!session || session->running != running) return;
  session->running.reset();
  ++count_.queries;
  log(LogLevel::debug, fmt::format("{}: answered a query of {} in {:.2f} s, the client's turns included", session->peer,
                                   encoder::to_string(plan().shapes.at(session->program)),
                                   std::chrono::duration<double>(options_.now() - session->since).count()));
  session->enter(SessionState::ready, options_.now());
  send(*session, result->type, std::move(result->payload));
  if (draining_) end(*session, stopping());
}

void Service::emit_step(SessionId id, Running& running, std::size_t step, Message message) {
  const std::lock_guard lock(mutex_);
  Session* const session = find(id);
  if (!session || session->running.get() != &running) return;
  running.step_sent = true;
  session->awaited_step = step;
  session->step_sent = options_.now();
  send(*session, message.type, std::move(message.payload));
}

// What the pool and the allocator keep for reuse goes back to the system, but for what one query takes: the next one
// would have to fetch it page by page.
void Service::give_memory_back() {
  std::size_t keep = 0;
  for (std::size_t i = 0; i < plan().shapes.size(); ++i)
    keep = std::max(keep, circuits_.working_bytes(i, options_.threads));
  ring::trim_pool(keep);
  ::malloc_trim(0);
}

}  // namespace thex::server
