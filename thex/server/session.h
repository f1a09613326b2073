// One client of the service: where its conversation stands, what it may send now, and until when.
//
//   greeting  --hello-->  ready
//   ready     --keys_offer-->  uploading  --last keys_chunk-->  checking  --keys are there-->  ready
//   ready     --query-->  queued  --its turn-->  running  --result is sent-->  ready
//
// A state machine of plain values: no thread, no socket, no lock. The service guards it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "thex/base/clock.h"
#include "thex/protocol/messages.h"
#include "thex/server/carrier.h"
#include "thex/server/limits.h"
#include "thex/server/query_run.h"

namespace thex::server {

using SessionId = std::uint64_t;

enum class SessionState { greeting, ready, uploading, checking, queued, running };

// A message with the memory that it takes.
struct HeldMessage {
  protocol::Message message;
  Reservation memory;
};

// Bytes on their way in one direction since `start`.
struct Transfer {
  Time start{};
  std::uint64_t bytes = 0;
  // The end of its time, as limits.h says.
  Deadline deadline(const Limits& limits) const;
};

// A query that has begun. Shared with the thread that works on it.
struct Running {
  Reservation memory;  // of the run, and so given back after it
  std::optional<QueryRun> run;
  std::stop_source stop;
  bool working = false;    // a thread is in advance(); guarded by the service
  bool step_sent = false;  // the client knows that it has begun; guarded too
};

struct Session {
  SessionId id = 0;
  std::string principal, peer;
  std::shared_ptr<Carrier> carrier;
  SessionState state = SessionState::greeting;
  Time since{};  // when this state began

  protocol::KeyFingerprint keys{};
  std::string flow;  // the keys, as a name within the queue

  std::optional<protocol::MessageType> arriving;  // a message of which not all is there
  Transfer arrival;
  Reservation arrival_memory;

  protocol::Bytes upload;
  Transfer upload_transfer;
  Reservation upload_memory;

  HeldMessage query;        // queued
  std::size_t program = 0;  // of the query
  std::shared_ptr<Running> running;
  std::size_t awaited_step = 0;  // running: the step whose reply may come now; 0: none
  Time step_sent{};
  Clock::duration turns_taken{};    // by the client's turns that are over
  std::deque<HeldMessage> replies;  // arrived, not yet given to the run

  std::uint64_t unsent = 0;
  Transfer sending;  // since there last was nothing to send

  void enter(SessionState next, Time now) {
    state = next;
    since = now;
  }
  // The types of message, with their longest payloads, that may come in this state.
  std::vector<protocol::Expected> expected(const encoder::InferencePlan& plan) const;

  // The first of its time limits, and what is said when it passes.
  struct Limit {
    Deadline at;
    const char* what;
    bool ends_session;  // else the query alone is refused
  };
  // `room_is_short`: others find no memory for what they want.
  Limit limit(const Limits& limits, bool room_is_short) const;
};

}  // namespace thex::server
