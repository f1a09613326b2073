// Evaluation keys of the clients of a server, bounded in memory.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "thex/ckks/keys.h"
#include "thex/protocol/messages.h"
#include "thex/server/budget.h"

namespace thex::server {

using SharedKeys = std::shared_ptr<const ckks::EvaluationKeys>;

// Nobody owns keys for good: they are looked up for each query, and sets that no query uses make room for others. Of
// these, the principal that holds most loses its least recently used one first, so that one client with many keys
// pushes out its own. A set counts in the budget until the last query that uses it has ended. Thread-safe.
class KeyStore {
 public:
  explicit KeyStore(Budget budget) : budget_(std::move(budget)) {}

  // Null when unknown. The set counts as used now.
  SharedKeys find(const protocol::KeyFingerprint& fingerprint);
  bool contains(const protocol::KeyFingerprint& fingerprint) const;

  // Room for `bytes` more, if there is some without dropping anything.
  std::optional<Reservation> free_room(std::size_t bytes) const { return budget_.reserve(Use::keys, bytes); }
  // Makes room for a set of `bytes` that `principal` brings, which counts as its own already, by dropping as many
  // unused sets as it takes. When the sets in use leave too little room, nothing is dropped and nothing returned. Call
  // it for keys that have been checked: a set that turned out to be none would have pushed out others' for nothing.
  std::optional<Reservation> make_room(const std::string& principal, std::size_t bytes);
  // Whether make_room() would find room for `bytes` now.
  bool could_make_room(std::size_t bytes) const;
  // Returns the set that is there already when two sessions of one client bring it at the same time.
  SharedKeys insert(const protocol::KeyFingerprint& fingerprint, const std::string& principal,
                    ckks::EvaluationKeys keys, Reservation memory);

  std::size_t count() const;
  std::uint64_t evictions() const;

 private:
  struct Held {
    ckks::EvaluationKeys keys;
    Reservation memory;
  };
  struct Entry {
    protocol::KeyFingerprint fingerprint;
    std::string principal;
    std::shared_ptr<const Held> held;
  };
  using Entries = std::list<Entry>;
  std::size_t idle_bytes() const;  // of sets that no query uses
  Entries::iterator locate(const protocol::KeyFingerprint& fingerprint);
  // Of the unused sets the next to go when `principal` brings `bytes`; the end when all are used.
  Entries::iterator victim(const std::string& principal, std::size_t bytes);

  const Budget budget_;
  mutable std::mutex mutex_;
  Entries entries_;  // most recently used first
  std::uint64_t evictions_ = 0;
};

}  // namespace thex::server
