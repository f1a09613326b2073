#include "thex/protocol/key_cache.h"

#include <algorithm>

namespace thex::protocol {

std::shared_ptr<const ckks::EvaluationKeys> KeyCache::find(const KeyFingerprint& fingerprint) {
  const std::lock_guard lock(mutex_);
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.fingerprint == fingerprint; });
  if (it == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, it);
  return it->keys;
}

std::shared_ptr<const ckks::EvaluationKeys> KeyCache::insert(const KeyFingerprint& fingerprint,
                                                             ckks::EvaluationKeys keys) {
  auto shared = std::make_shared<const ckks::EvaluationKeys>(std::move(keys));
  const std::size_t bytes = shared->bytes();
  const std::lock_guard lock(mutex_);
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.fingerprint == fingerprint; });
  if (it != entries_.end()) {  // two sessions of one client uploaded at the same time
    entries_.splice(entries_.begin(), entries_, it);
    return it->keys;
  }
  entries_.push_front({fingerprint, shared, bytes});
  bytes_ += bytes;
  while (bytes_ > max_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back().bytes;
    entries_.pop_back();
  }
  return shared;
}

std::size_t KeyCache::count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::size_t KeyCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace thex::protocol
