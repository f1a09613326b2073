// The server: evaluates the encoder on ciphertexts for many clients. It holds weights and evaluation keys, nothing that
// decrypts.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thex/encoder/inference_plan.h"
#include "thex/model/model.h"
#include "thex/protocol/transport.h"

namespace thex::protocol {

struct ServerOptions {
  int threads = 2;  // for one query
  int max_connections = 32;
  int max_queries = 4;                                 // evaluated at the same time; the others wait
  std::size_t key_memory = std::size_t{1} << 30;       // for the keys of all clients; the least recently used go first
  std::chrono::milliseconds idle_timeout{600'000};     // a connection without a query
  std::chrono::milliseconds message_timeout{180'000};  // one message, and one turn of the client within a query
  std::chrono::milliseconds stop_grace{5'000};         // for queries that run when the server is stopped
  std::string model_name;
  // One line about what happens, for a log; called from several threads. May be empty.
  std::function<void(const std::string& line)> log;
};

struct ServerStatistics {
  std::uint64_t connections = 0, queries = 0, key_uploads = 0, failures = 0;
  std::size_t key_sets = 0, key_bytes = 0;  // held now
  std::size_t plaintext_bytes = 0;          // encoded weights of the prepared buckets
};

class Server {
 public:
  // `model` is loaded with Part::server. Throws Error(model) when it cannot be planned.
  Server(std::shared_ptr<const model::Model> model, int max_tokens, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const encoder::InferencePlan& plan() const;
  // The JSON of server_info: model, labels, protocol, plan, max_tokens, rounds, security_bits, parameters, memory.
  std::string describe() const;
  // Encodes the weights for one bucket now, instead of with its first query.
  void prepare(std::size_t bucket);

  // Accepts clients until stop(); one thread for each. Returns when all are gone.
  void serve(Listener& listener);
  // One session, in the caller's thread: returns when the client leaves. Errors are told to the client and logged.
  void handle(Connection& connection);
  // From any thread (not from a signal handler): idle clients are sent away at once, queries may finish within
  // stop_grace.
  void stop() noexcept;

  ServerStatistics statistics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Largest resident memory of this process so far (VmHWM), in bytes; 0 when the system does not tell.
std::size_t peak_memory_bytes();

}  // namespace thex::protocol
