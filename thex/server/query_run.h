// One query as a machine of values: messages in, messages out, and nothing held in between.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "thex/base/clock.h"
#include "thex/circuit/run/ckks_run.h"
#include "thex/protocol/messages.h"
#include "thex/server/circuits.h"
#include "thex/server/key_store.h"

namespace thex::server {

// The query's own part of protocol/messages.h: query in; then steps out and replies in, as the program has rounds; and
// the result out.
class QueryRun {
 public:
  // `circuits` must outlive the run. `fingerprint`: of the keys.
  QueryRun(Circuits& circuits, std::size_t program, const protocol::KeyFingerprint& fingerprint, SharedKeys keys);

  // Takes the query itself (step 0), then the reply to each step. From any thread, also during advance(). Throws
  // Error(protocol) for a message that the plan does not allow.
  void supply(std::size_t step, protocol::ByteView message, int threads);

  // Whether advance() would find work to do.
  bool runnable() const { return run_.runnable(); }

  // Works until only the client can move it on, then returns nothing, or until the result is there. Each step is
  // handed to `emit` as soon as it is ready, from one of the working threads; what does not wait for the reply goes on
  // meanwhile. Throws Error(cancelled) at the end of a task once `stop` is requested.
  using Emit = std::function<void(std::size_t step, protocol::Message message)>;
  std::optional<protocol::Message> advance(int threads, const Emit& emit, std::stop_token stop);

 private:
  protocol::Message pack(protocol::MessageType type, std::size_t step, const std::vector<ckks::Ciphertext>& ciphertexts,
                         int threads) const;

  Circuits& circuits_;
  const std::size_t program_;
  const SharedKeys keys_;
  const protocol::KeyFingerprint fingerprint_;  // of the keys
  ckks::Binding binding_{};                     // of the query, for its answer
  circuit::CkksRun run_;
  std::atomic<Clock::time_point> turn_began_;  // when the server's turn began
};

// The program that a query asks for, by its head and its length. Throws Error(protocol).
std::size_t program_of(const encoder::InferencePlan& plan, protocol::ByteView query);

}  // namespace thex::server
