#include "thex/server/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "thex/base/hex.h"
#include "thex/base/json.h"
#include "thex/ckks/context.h"
#include "thex/protocol/message_sizes.h"

namespace thex::server {
namespace {

constexpr auto kTickAtLeast = std::chrono::seconds(1);

std::string megabytes(std::size_t bytes) { return fmt::format("{} MB", (bytes + (1 << 20) - 1) >> 20); }

}  // namespace

Service::Service(std::shared_ptr<const model::Model> model, const encoder::PlanRequest& request, ServiceOptions options)
    : options_(std::move(options)),
      budget_(options_.limits.memory, options_.limits.key_memory),
      circuits_(std::move(model), request, budget_, options_.log),
      keys_(budget_),
      key_bytes_(protocol::key_bytes(circuits_.plan())) {
  check_limits();
  give_memory_back();  // what planning took
  last_work_ = options_.now();
}

Service::~Service() = default;

// A server that could never serve anybody says so at its start.
void Service::check_limits() const {
  const Limits& limits = options_.limits;
  const encoder::InferencePlan& p = plan();
  const std::size_t keys = p.circuits.key_bytes_memory;
  if (limits.key_memory < keys) {
    throw Error(ErrorCode::usage,
                fmt::format("--key-memory {} leaves no room for one client's keys: this model's take {}",
                            limits.key_memory >> 20, megabytes(keys)));
  }
  std::size_t query = 0;
  for (std::size_t i = 0; i < p.shapes.size(); ++i)
    query = std::max(query, circuits_.working_bytes(i, options_.threads));
  query += protocol::max_query_bytes(p);
  const std::size_t kept = circuits_.kept_weight_bytes();
  const std::size_t least = std::max(key_bytes_, query) + keys + kept;
  if (limits.memory < least) {
    throw Error(ErrorCode::usage, fmt::format("--memory {} is too little: one client of this model takes {}, {} of it "
                                              "for encoded weights",
                                              limits.memory >> 20, megabytes(least), megabytes(kept)));
  }
}

std::string Service::describe() const {
  const encoder::InferencePlan& p = plan();
  const ckks::Context& context = *p.circuits.context;
  nlohmann::ordered_json json;
  json["model"] = options_.model_name;
  json["labels"] = circuits_.model().config.labels;
  json["task"] = model::name_of(circuits_.model().config.task);
  json["protocol"] = name_of(p.protocol);
  json["plan"] = hex(circuits_.plan_fingerprint());
  json["max_tokens"] = p.max_tokens();
  json["rounds"] = p.rounds;
  json["security_bits"] = context.security_bits();
  json["log_n"] = context.log_n();
  json["log_qp"] = context.log_qp();
  return json_line(json);
}

void Service::changed() {
  ++changes_;
  changed_.notify_all();
}

bool Service::work_or_wait() {
  while (true) {
    std::uint64_t seen;
    {
      const std::lock_guard lock(mutex_);
      if (shut_) return false;
      seen = changes_;
    }
    if (work()) return true;
    Lock lock(mutex_);
    changed_.wait(lock, [&] { return shut_ || changes_ != seen; });
    if (shut_) return false;
  }
}

void Service::shut_down() {
  const std::lock_guard lock(mutex_);
  shut_ = true;
  changed();
}

// A query has waited long for memory, or keys found none a short while ago; their client may be about to try again.
bool Service::room_is_short() const {
  return starving_ != 0 || (room_wanted_ && options_.now() - *room_wanted_ <= 2 * options_.limits.short_turns);
}

Deadline Service::tick() {
  const std::lock_guard lock(mutex_);
  const Time now = options_.now();
  Deadline next = now + kTickAtLeast;
  std::vector<SessionId> late;
  for (const auto& [id, session] : sessions_) {
    const Deadline at = session->limit(options_.limits, room_is_short()).at;
    if (at <= now) {
      late.push_back(id);
    } else {
      next = std::min(next, at);
    }
  }
  for (const SessionId id : late) {
    Session* const session = find(id);
    if (!session) continue;
    const Session::Limit limit = session->limit(options_.limits, room_is_short());
    if (limit.at > now) continue;  // the end of one before it has made room
    if (limit.ends_session) {
      fail(*session, Error(ErrorCode::network, fmt::format("the server ended the connection: {}", limit.what)));
    } else {
      drop_work(*session);
      refuse(*session, limit.what);
    }
  }
  if (queue_.size() == 0 && working_ == 0 && now - last_work_ > std::chrono::seconds(5)) {
    last_work_ = Time::max();  // once, until something is done again
    trim_wanted_ = true;
    changed();
  }
  // Time passes and answers leave: what waits for room is looked at again.
  if (queue_.size() > 0) changed();
  return next;
}

void Service::drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  std::vector<SessionId> leaving;
  for (const auto& [id, session] : sessions_)
    if (session->state != SessionState::running) leaving.push_back(id);
  for (const SessionId id : leaving)
    if (Session* const session = find(id)) end(*session, stopping());
}

Error Service::stopping() { return {ErrorCode::busy, "the server is stopping; try again when it is there again"}; }

bool Service::drained() const {
  const std::lock_guard lock(mutex_);
  return sessions_.empty();
}

void Service::end_all(const std::string& why) {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  std::vector<SessionId> all;
  for (const auto& [id, session] : sessions_) all.push_back(id);
  for (const SessionId id : all)
    if (Session* const session = find(id)) end(*session, Error(ErrorCode::busy, why));
}

ServiceStatistics Service::statistics() const {
  const std::lock_guard lock(mutex_);
  ServiceStatistics s = count_;
  s.open_sessions = sessions_.size();
  for (const auto& [id, session] : sessions_) {
    s.queued += session->state == SessionState::queued ? 1 : 0;
    s.open_queries += session->state == SessionState::running ? 1 : 0;
  }
  s.evictions = keys_.evictions();
  s.key_sets = keys_.count();
  s.memory = budget_.used();
  s.key_bytes = budget_.used(Use::keys);
  s.weight_bytes = circuits_.weight_bytes();
  return s;
}

}  // namespace thex::server
