// Evaluation keys of the clients of a server, bounded in memory.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>

#include "thex/ckks/keys.h"
#include "thex/protocol/messages.h"

namespace thex::protocol {

// Least recently used out first. Keys that a query is using live on until it ends. Thread-safe.
class KeyCache {
 public:
  explicit KeyCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Null when unknown.
  std::shared_ptr<const ckks::EvaluationKeys> find(const KeyFingerprint& fingerprint);
  // The newest set always stays, whatever its size.
  std::shared_ptr<const ckks::EvaluationKeys> insert(const KeyFingerprint& fingerprint, ckks::EvaluationKeys keys);

  std::size_t count() const;
  std::size_t bytes() const;

 private:
  struct Entry {
    KeyFingerprint fingerprint;
    std::shared_ptr<const ckks::EvaluationKeys> keys;
    std::size_t bytes;
  };
  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recent first
  std::size_t bytes_ = 0;
};

}  // namespace thex::protocol
