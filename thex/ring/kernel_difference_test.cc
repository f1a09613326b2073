// A short seeded run of what fuzz/kernels_fuzz.cc does for longer: every table against the portable one.
#include "tests/support/kernel_difference.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace thex::ring {
namespace {

class KernelDifference : public ::testing::TestWithParam<Isa> {};

TEST_P(KernelDifference, IsNoneOnRandomComputations) {
  const Kernels* const table = kernels_for(GetParam());
  if (table == nullptr) GTEST_SKIP() << "not on this processor or not in this build";
  std::mt19937_64 rng(11);
  for (int round = 0; round < 1500; ++round) {
    std::vector<std::uint8_t> bytes(80);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng());
    ASSERT_EQ(support::kernel_difference(*table, *kernels_for(Isa::portable), bytes), "") << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, KernelDifference, ::testing::Values(Isa::avx2, Isa::avx512ifma));

// The comparison itself: a table with a kernel that is wrong now and then is told from the portable one.
TEST(KernelDifferenceSearch, FindsAKernelThatIsWrong) {
  Kernels broken = *kernels_for(Isa::portable);
  broken.add = [](std::uint64_t* dst, const std::uint64_t* a, const std::uint64_t* b, std::size_t n, const Modulus& q) {
    for (std::size_t i = 0; i < n; ++i) dst[i] = a[i] + b[i] > q.value() ? a[i] + b[i] - q.value() : a[i] + b[i];
  };
  std::mt19937_64 rng(11);
  int found = 0;
  for (int round = 0; round < 500; ++round) {
    std::vector<std::uint8_t> bytes(80);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng());
    const std::string what = support::kernel_difference(broken, *kernels_for(Isa::portable), bytes);
    if (!what.empty()) {
      EXPECT_EQ(what.rfind("add", 0), 0u) << what;
      ++found;
    }
  }
  EXPECT_GT(found, 0) << "a sum of exactly q";
}

}  // namespace
}  // namespace thex::ring
