#include "thex/server/budget.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace thex::server {

struct Budget::State {
  std::size_t limit, key_limit;
  std::mutex mutex;
  std::size_t total = 0;
  std::array<std::size_t, kUses> of{};

  std::size_t& used(Use use) { return of[static_cast<std::size_t>(use)]; }
  bool fits(Use use, std::size_t bytes, std::size_t given_back) {
    const auto within = [&](std::size_t held, std::size_t bound) {
      const std::size_t left = held - given_back;
      return left <= bound && bytes <= bound - left;
    };
    return within(total, limit) && (use != Use::keys || within(used(use), key_limit));
  }
  bool take(Use use, std::size_t bytes, bool force) {
    const std::lock_guard lock(mutex);
    if (!fits(use, bytes, 0) && !force) return false;
    total += bytes;
    used(use) += bytes;
    return true;
  }
  void give(Use use, std::size_t bytes) noexcept {
    const std::lock_guard lock(mutex);
    total -= bytes;
    used(use) -= bytes;
  }
};

std::string_view name(Use use) {
  constexpr std::string_view kNames[kUses] = {"keys", "uploads", "queries", "runs", "answers", "weights"};
  return kNames[static_cast<std::size_t>(use)];
}

Budget::Budget(std::size_t limit, std::size_t key_limit) : state_(std::make_shared<State>()) {
  state_->limit = limit;
  state_->key_limit = key_limit;
}

std::optional<Reservation> Budget::reserve(Use use, std::size_t bytes) const {
  if (!state_->take(use, bytes, false)) return std::nullopt;
  std::optional<Reservation> taken(std::in_place);
  taken->state_ = state_;
  taken->use_ = use;
  taken->bytes_ = bytes;
  return taken;
}

Reservation Budget::charge(Use use, std::size_t bytes) const {
  Reservation taken;
  taken.state_ = state_;
  taken.use_ = use;
  taken.bytes_ = bytes;
  state_->take(use, bytes, true);
  return taken;
}

bool Budget::would_fit(Use use, std::size_t bytes, std::size_t given_back) const {
  const std::lock_guard lock(state_->mutex);
  return state_->fits(use, bytes, std::min(given_back, state_->used(use)));
}

std::size_t Budget::limit() const { return state_->limit; }
std::size_t Budget::key_limit() const { return state_->key_limit; }

std::size_t Budget::used() const {
  const std::lock_guard lock(state_->mutex);
  return state_->total;
}

std::size_t Budget::used(Use use) const {
  const std::lock_guard lock(state_->mutex);
  return state_->used(use);
}

Reservation::Reservation(Reservation&& other) noexcept
    : state_(std::move(other.state_)), use_(other.use_), bytes_(std::exchange(other.bytes_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  release();
  state_ = std::move(other.state_);
  use_ = other.use_;
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

bool Reservation::grow(std::size_t more) {
  if (more == 0) return true;
  if (!state_ || !state_->take(use_, more, false)) return false;
  bytes_ += more;
  return true;
}

bool Reservation::absorb(Reservation&& other) {
  if (!state_ || other.state_ != state_ || other.use_ != use_) return false;
  bytes_ += std::exchange(other.bytes_, 0);
  return true;
}

void Reservation::settle(std::size_t bytes) {
  if (!state_) return;
  if (bytes > bytes_) {
    state_->take(use_, bytes - bytes_, true);
  } else {
    state_->give(use_, bytes_ - bytes);
  }
  bytes_ = bytes;
}

void Reservation::release() noexcept {
  if (state_ && bytes_ > 0) state_->give(use_, bytes_);
  state_.reset();
  bytes_ = 0;
}

}  // namespace thex::server
