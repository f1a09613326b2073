#include "thex/server/key_store.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace thex::server {

KeyStore::Entries::iterator KeyStore::locate(const protocol::KeyFingerprint& fingerprint) {
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.fingerprint == fingerprint; });
}

SharedKeys KeyStore::find(const protocol::KeyFingerprint& fingerprint) {
  const std::lock_guard lock(mutex_);
  const auto it = locate(fingerprint);
  if (it == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, it);
  return {it->held, &it->held->keys};
}

bool KeyStore::contains(const protocol::KeyFingerprint& fingerprint) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.fingerprint == fingerprint; });
}

KeyStore::Entries::iterator KeyStore::victim(const std::string& principal, std::size_t coming) {
  std::map<std::string, std::size_t> bytes{{principal, coming}};
  for (const Entry& e : entries_) bytes[e.principal] += e.held->memory.bytes();
  auto chosen = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->held.use_count() > 1) continue;  // a query uses it
    if (chosen == entries_.end() || bytes[it->principal] >= bytes[chosen->principal]) chosen = it;
  }
  return chosen;
}

std::size_t KeyStore::idle_bytes() const {
  std::size_t idle = 0;
  for (const Entry& e : entries_) idle += e.held.use_count() > 1 ? 0 : e.held->memory.bytes();
  return idle;
}

bool KeyStore::could_make_room(std::size_t bytes) const {
  const std::lock_guard lock(mutex_);
  return budget_.would_fit(Use::keys, bytes, idle_bytes());
}

std::optional<Reservation> KeyStore::make_room(const std::string& principal, std::size_t bytes) {
  Entries dropped;  // given back without the lock
  while (true) {
    if (auto room = budget_.reserve(Use::keys, bytes)) return room;
    {
      const std::lock_guard lock(mutex_);
      const auto it = victim(principal, bytes);
      if (it == entries_.end() || !budget_.would_fit(Use::keys, bytes, idle_bytes())) return std::nullopt;
      dropped.splice(dropped.end(), entries_, it);
      ++evictions_;
    }
    dropped.clear();
  }
}

SharedKeys KeyStore::insert(const protocol::KeyFingerprint& fingerprint, const std::string& principal,
                            ckks::EvaluationKeys keys, Reservation memory) {
  memory.settle(keys.bytes());
  auto held = std::make_shared<const Held>(Held{std::move(keys), std::move(memory)});
  const std::lock_guard lock(mutex_);
  auto it = locate(fingerprint);
  if (it == entries_.end()) {
    entries_.push_front({fingerprint, principal, std::move(held)});
    it = entries_.begin();
  } else {
    entries_.splice(entries_.begin(), entries_, it);
  }
  return {it->held, &it->held->keys};
}

std::size_t KeyStore::count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::uint64_t KeyStore::evictions() const {
  const std::lock_guard lock(mutex_);
  return evictions_;
}

}  // namespace thex::server
