// The service: evaluates the encoder on ciphertexts for many clients. It holds weights and evaluation keys, nothing
// that decrypts.
//
// It is a core without sockets and without threads. A carrier (transport/tcp_server.h, transport/in_process.h, a test)
// tells it what clients send and takes what is for them; threads that the caller lends do the work; time is what the
// caller's clock says. So whatever it decides can be tested without waiting.
//
// - Every query is a run that yields: while its client has its turn it takes memory, and no thread.
// - Memory is admitted by one budget (budget.h): keys, uploads, queries, runs and answers.
// - Turns are fair between principals (fair_queue.h); queues and waits are bounded, and who is refused is told so.
// - A client that leaves cancels its query at the end of the tasks that run.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/server/circuits.h"
#include "thex/server/fair_queue.h"
#include "thex/server/key_store.h"
#include "thex/server/log.h"
#include "thex/server/session.h"

namespace thex::server {

struct ServiceOptions {
  Limits limits;
  int threads = 2;  // for one query
  std::string model_name;
  model::ModelDigests parts;  // digests of what this server has; unknown parts are not compared
  TimeSource now = [] { return Clock::now(); };
  // What happens; called from several threads, sometimes with the service locked, so it must not call the service.
  Log log;
};

// For the operator alone: what it says of users is told to no client.
struct ServiceStatistics {
  std::uint64_t sessions = 0, queries = 0, key_uploads = 0;
  std::uint64_t refused = 0;    // sessions, uploads and queries for which there was no room
  std::uint64_t cancelled = 0;  // queries whose clients left
  std::uint64_t failures = 0;   // sessions that ended in an error
  std::uint64_t evictions = 0;  // key sets dropped to make room
  std::size_t open_sessions = 0, queued = 0, open_queries = 0, key_sets = 0;  // now
  std::size_t memory = 0, key_bytes = 0, weight_bytes = 0;                    // reserved now
};

class Service {
 public:
  // `model` is loaded with Part::server. Throws Error(model) when it cannot be planned, Error(usage) when the limits
  // leave no room for one client.
  Service(std::shared_ptr<const model::Model> model, const encoder::PlanRequest& request, ServiceOptions options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const encoder::InferencePlan& plan() const { return circuits_.plan(); }
  const Limits& limits() const { return options_.limits; }
  // The JSON of server_info: model, labels, task, protocol, plan, max_tokens, rounds, security_bits, log_n, log_qp.
  std::string describe() const;
  // Encodes the weights of one program now, instead of with its first query.
  void prepare(std::size_t program) { circuits_.prepared(program); }

  // --- What happens to sessions; by the carrier, from any thread. Unknown and ended sessions are ignored.

  // A client has come. `principal`: who it is, as far as fairness goes; `peer`: its address, for the log. Throws
  // Error(busy) when there is no room for it.
  SessionId open(const std::string& principal, const std::string& peer, std::shared_ptr<Carrier> carrier);
  // The head of a message from the client has arrived. False: it is not wanted, and the session is over.
  bool announce(SessionId id, protocol::MessageType type, std::uint64_t length);
  // `bytes` more of the payload of that message have arrived. False: there is no room for them, and the session is
  // over.
  bool arrived(SessionId id, std::size_t bytes);
  // The announced message has arrived as a whole.
  void deliver(SessionId id, protocol::Message message);
  // `bytes` of what was sent to the client have left this machine.
  void sent(SessionId id, std::size_t bytes);
  // What the client sent makes no sense: it is told, and the session is over.
  void fail(SessionId id, const Error& error);
  // The client is gone: its queries are cancelled and what was held for it is given back.
  void close(SessionId id);

  // --- Work; by the threads of the caller, as many as queries are to be computed at the same time.

  // Does one piece of work, if there is one that may be done now.
  bool work();
  // The same, but waits for one. False once shut_down() was called.
  bool work_or_wait();
  void shut_down();

  // --- Time.

  // Ends what has run out of time; returns when to call again at the latest.
  Deadline tick();

  // --- The end.

  // From now on nobody is let in and no query begins; queued ones are refused, idle clients are sent away. Queries that
  // have begun go on.
  void drain();
  // Whether no session is left.
  bool drained() const;
  // Ends all sessions; what is computed stops at the end of the tasks that run.
  void end_all(const std::string& why);

  ServiceStatistics statistics() const;

 private:
  enum class JobKind { check_keys, begin_query, reply };
  struct Job {
    JobKind kind;
    SessionId id;
  };
  using Lock = std::unique_lock<std::mutex>;

  void log(LogLevel level, const std::string& line) const {
    if (options_.log) options_.log(level, line);
  }
  void check_limits() const;
  void complain(LogLevel level, const std::string& line);
  bool room_is_short() const;
  void changed();
  static Error stopping();  // what clients are told while it drains

  // service_sessions.cc: all with the lock held.
  Session* find(SessionId id);
  void make_place(const std::string& principal);
  void handle(Session& session, protocol::Message message, Reservation memory);
  void greet(Session& session, protocol::ByteView payload);
  void take_offer(Session& session);
  void take_chunk(Session& session, protocol::ByteView payload);
  void take_query(Session& session, protocol::Message message, Reservation memory);
  void take_reply(Session& session, protocol::Message message, Reservation memory);
  void send(Session& session, protocol::MessageType type, protocol::Bytes payload);
  void refuse(Session& session, const std::string& why);
  void fail(Session& session, const Error& error);  // counts and logs it, and ends the session
  void end(Session& session, const Error& error);
  void remove(SessionId id);
  void drop_work(Session& session);

  // service_work.cc: `lock` is held before and after, not while they compute.
  bool admissible(const Job& job);
  void check_keys(Lock& lock, SessionId id);
  void begin_query(Lock& lock, SessionId id);
  void give_replies(Lock& lock, SessionId id);
  void advance(Lock& lock, SessionId id, const std::shared_ptr<Running>& running);
  template <typename Work>
  void guarded(Lock& lock, SessionId id, Work&& work);
  void emit_step(SessionId id, Running& running, std::size_t step, protocol::Message message);
  void give_memory_back();

  const ServiceOptions options_;
  const Budget budget_;
  Circuits circuits_;
  KeyStore keys_;
  const std::size_t key_bytes_;  // on the wire

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t changes_ = 0;
  bool shut_ = false, draining_ = false;
  SessionId next_id_ = 1;
  std::unordered_map<SessionId, std::unique_ptr<Session>> sessions_;
  FairQueue<Job> queue_;
  std::size_t working_ = 0;
  // The memory and the keys of the query that `admissible` has let through.
  Reservation admitted_memory_;
  SharedKeys admitted_keys_;
  SessionId starving_ = 0;  // has waited for memory for so long that no later query passes it; 0: none
  ServiceStatistics count_;
  std::optional<Time> room_wanted_;  // when keys last found no room
  Time last_work_{}, complaints_since_{};
  int complaints_ = 0;  // lines of the log since then
  bool trim_wanted_ = false;
};

}  // namespace thex::server
