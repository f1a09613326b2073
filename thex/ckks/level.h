// Where a value stands in the modulus chain, and which prime a residue belongs to: types of their own, so that a level,
// a number of limbs and the number of a prime are not given for each other. Residues, chain and special primes are
// those of context.h.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <string>

namespace thex::ckks {

// The number of a prime in its context: 0 .. L are q_0 .. q_L, L + 1 .. L + k the special primes.
//
// Limb i of a ciphertext or plaintext is modulo prime i, so a LimbIndex may stand where the place of a limb is asked
// for. A place is no LimbIndex unless it is said to be: in keys and other polynomials that hold special primes these
// follow q_level at once, and limb_prime() (keys.h) says which prime stands where.
class LimbIndex {
 public:
  constexpr LimbIndex() = default;
  constexpr explicit LimbIndex(std::size_t index) : index_(index) {}
  constexpr operator std::size_t() const { return index_; }

  friend constexpr auto operator<=>(LimbIndex, LimbIndex) = default;  // NOLINT(modernize-use-nullptr): none here

 private:
  std::size_t index_ = 0;
};

// The primes first, .. , end - 1, for loops over limbs.
class LimbRange {
 public:
  class Iterator {
   public:
    constexpr explicit Iterator(std::size_t at) : at_(at) {}
    constexpr LimbIndex operator*() const { return LimbIndex(at_); }
    constexpr Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend constexpr bool operator==(Iterator, Iterator) = default;

   private:
    std::size_t at_;
  };

  constexpr LimbRange(std::size_t first, std::size_t end) : first_(first), end_(end) {}
  constexpr Iterator begin() const { return Iterator(first_); }
  constexpr Iterator end() const { return Iterator(end_); }

 private:
  std::size_t first_, end_;
};

// A ciphertext at level l has the l + 1 limbs q_0 .. q_l; the next rescaling divides by q_l. Levels are the numbers
// from 0 to Context::max_level(), written as they are; -1 stands for none. Nothing that counts limbs or bytes becomes a
// level by itself, and what a level means for memory is asked by name.
class Level {
 public:
  constexpr Level() = default;
  // NOLINTNEXTLINE: levels are written as plain numbers, but a std::size_t is no level: of_limbs()
  template <std::same_as<int> T>
  constexpr Level(T number) : number_(number) {}

  // The level of values with so many limbs, not counting special primes.
  static constexpr Level of_limbs(std::size_t limbs) { return Level(static_cast<int>(limbs) - 1); }

  constexpr int number() const { return number_; }
  // Limbs of a polynomial at this level, not counting special primes: level + 1.
  constexpr std::size_t limbs() const { return static_cast<std::size_t>(number_ + 1); }
  // Their primes: for (const LimbIndex i : level.primes()).
  constexpr LimbRange primes() const { return {0, limbs()}; }
  // The last of them, which a rescaling divides by. Of a level that is not negative.
  constexpr LimbIndex top() const { return LimbIndex(static_cast<std::size_t>(number_)); }

  friend constexpr auto operator<=>(Level, Level) = default;  // NOLINT(modernize-use-nullptr): none here
  friend constexpr Level operator+(Level level, int higher) { return level.number_ + higher; }
  friend constexpr Level operator-(Level level, int lower) { return level.number_ - lower; }
  constexpr Level& operator++() {
    ++number_;
    return *this;
  }
  constexpr Level& operator--() {
    --number_;
    return *this;
  }

 private:
  int number_ = 0;
};

inline std::string to_string(Level level) { return std::to_string(level.number()); }

}  // namespace thex::ckks
