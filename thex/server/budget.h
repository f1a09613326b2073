// One bound on the memory that clients cause: whatever is held for them is reserved here first.
//
// Reservations give their bytes back when they go, so a budget is right whatever way a query, an upload or a session
// ends. Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

namespace thex::server {

// What memory is held for.
enum class Use {
  keys,     // evaluation keys, in the store or in the hands of a query
  uploads,  // keys that are arriving
  queries,  // queries and replies that are arriving or wait for their turn
  runs,     // ciphertexts of queries that have begun, also while the client thinks
  answers,  // messages that have not left yet
  weights,  // encoded weights: no client's, but of the same memory
};
inline constexpr std::size_t kUses = 6;
std::string_view name(Use use);

class Reservation;

class Budget {
 public:
  // `limit` bytes for everything, of which at most `key_limit` for keys.
  Budget(std::size_t limit, std::size_t key_limit);

  // Nothing when there is not that much left.
  std::optional<Reservation> reserve(Use use, std::size_t bytes) const;
  // For what is there already and cannot be refused: may go beyond the limit, and then nothing else is admitted.
  Reservation charge(Use use, std::size_t bytes) const;

  // Whether `bytes` more would fit if `given_back` bytes of the same use were given back first.
  bool would_fit(Use use, std::size_t bytes, std::size_t given_back = 0) const;

  std::size_t limit() const;
  std::size_t key_limit() const;
  std::size_t used() const;
  std::size_t used(Use use) const;

 private:
  friend class Reservation;
  struct State;
  std::shared_ptr<State> state_;
};

// Part of a budget; gives it back at the end. An empty one belongs to no budget and cannot grow.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation() { release(); }

  std::size_t bytes() const { return bytes_; }
  // False, and nothing has changed, when the budget has not that much left.
  bool grow(std::size_t more);
  // Takes over what another one of the same budget and use holds; false, and nothing has changed, for any other.
  bool absorb(Reservation&& other);
  // To what is really held, when an estimate was reserved.
  void settle(std::size_t bytes);
  void release() noexcept;

 private:
  friend class Budget;
  std::shared_ptr<Budget::State> state_;
  Use use_ = Use::queries;
  std::size_t bytes_ = 0;
};

}  // namespace thex::server
