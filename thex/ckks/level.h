// How far up the modulus chain a value stands.
#pragma once

#include <cstddef>

namespace thex::ckks {

// A ciphertext at level l has the l + 1 limbs q_0 .. q_l; the next rescaling divides by q_l. A level is a number from 0
// to Context::max_level() and is written as one; -1 stands for none. What it means for memory is asked by name, so that
// "level", "number of limbs" and "index of the last limb" are not mistaken for each other.
class Level {
 public:
  constexpr Level() = default;
  constexpr Level(int value) : value_(value) {}  // NOLINT: levels are written as plain numbers
  constexpr operator int() const { return value_; }

  // Limbs of a polynomial at this level, without special primes: level + 1.
  constexpr std::size_t limbs() const { return static_cast<std::size_t>(value_ + 1); }
  // Index of the last of them, and of the prime that a rescaling drops. Of a level that is not negative.
  constexpr std::size_t top() const { return static_cast<std::size_t>(value_); }

 private:
  int value_ = 0;
};

}  // namespace thex::ckks
