#include "thex/ckks/level.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

namespace thex::ckks {
namespace {

// What must not be given for each other does not compile.
static_assert(std::is_convertible_v<int, Level>);
static_assert(!std::is_constructible_v<Level, std::size_t>, "a number of limbs is no level");
static_assert(!std::is_constructible_v<Level, LimbIndex>, "nor is the number of a prime");
static_assert(!std::is_constructible_v<Level, double> && !std::is_constructible_v<Level, unsigned>);
static_assert(!std::is_convertible_v<Level, std::size_t>, "a level is no number of limbs");
static_assert(!std::is_convertible_v<Level, int> && !std::is_convertible_v<Level, LimbIndex>);
static_assert(!std::is_convertible_v<std::size_t, LimbIndex>, "the place of a limb is no number of a prime");
static_assert(std::is_convertible_v<LimbIndex, std::size_t>);

std::vector<std::size_t> numbers(LimbRange range) {
  std::vector<std::size_t> all;
  for (const LimbIndex i : range) all.push_back(i);
  return all;
}

TEST(Level, HasOneLimbMoreThanItsNumber) {
  for (int l = 0; l < 20; ++l) {
    const Level level = l;
    EXPECT_EQ(level.limbs(), static_cast<std::size_t>(l) + 1);
    EXPECT_EQ(level.top() + 1, level.limbs());
    EXPECT_EQ(Level::of_limbs(level.limbs()), level);
  }
  EXPECT_EQ(Level(-1).limbs(), 0u) << "none";
  EXPECT_EQ(Level::of_limbs(0), -1);
}

TEST(Level, PrimesAreThoseUpToIt) {
  EXPECT_EQ(numbers(Level(3).primes()), (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_EQ(numbers(Level(-1).primes()), std::vector<std::size_t>{});
  EXPECT_EQ(numbers(LimbRange(4, 6)), (std::vector<std::size_t>{4, 5}));
}

TEST(Level, IsOrderedAndCounted) {
  Level level = 2;
  EXPECT_EQ(level + 3, 5);
  EXPECT_EQ(level - 3, -1);
  EXPECT_EQ(++level, 3);
  EXPECT_EQ(--level, 2);
  EXPECT_LT(level, 3);
  EXPECT_GE(level, 2);
  EXPECT_EQ(to_string(Level(-1)), "-1");
}

}  // namespace
}  // namespace thex::ckks
