// What the server consists of: server.cc accepts clients, server_session.cc serves one.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <semaphore>
#include <vector>

#include "thex/circuit/run/ckks_circuit.h"
#include "thex/protocol/key_cache.h"
#include "thex/protocol/server.h"

namespace thex::protocol {

// True while a query runs: then stopping waits for it.
using BusyFlag = std::atomic<bool>;

struct Server::Impl {
  Impl(std::shared_ptr<const model::Model> model, int max_tokens, ServerOptions options);

  struct Bucket {
    std::mutex mutex;
    std::shared_ptr<const circuit::CkksCircuit> circuit;
  };

  void log(const std::string& line) const {
    if (options.log) options.log(line);
  }
  std::string describe() const;
  std::shared_ptr<const circuit::CkksCircuit> circuit(std::size_t bucket);

  // Serves one client until it leaves; never throws.
  void handle(Connection& connection, BusyFlag& busy);
  void session(Connection& connection, BusyFlag& busy);
  std::shared_ptr<const ckks::EvaluationKeys> greet(Connection& connection);
  std::shared_ptr<const ckks::EvaluationKeys> receive_keys(Connection& connection, const KeyFingerprint& fingerprint);
  void answer(Connection& connection, const std::shared_ptr<const ckks::EvaluationKeys>& keys, const Frame& query);
  std::vector<ckks::Ciphertext> parse(ByteView payload, std::size_t bucket, std::size_t step) const;

  const std::shared_ptr<const model::Model> model;
  const ServerOptions options;
  const encoder::InferencePlan plan;
  const int max_tokens;
  const std::shared_ptr<circuit::PlaintextStore> plaintexts;  // of all buckets
  std::vector<std::unique_ptr<Bucket>> buckets;
  KeyCache keys;
  std::counting_semaphore<> query_slots;
  std::counting_semaphore<> upload_slots{2};
  std::atomic<std::uint64_t> connections{0}, queries{0}, key_uploads{0}, failures{0};
  std::atomic<bool> stopping{false};
  std::mutex listener_mutex;
  Listener* listener = nullptr;
};

}  // namespace thex::protocol
