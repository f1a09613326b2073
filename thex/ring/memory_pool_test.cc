#include "thex/ring/memory_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "thex/base/error.h"
#include "thex/ring/poly.h"

namespace thex::ring {
namespace {

// A buffer that outlives main: its release must not crash.
Buffer late_buffer(1000);

TEST(Buffer, IsAlignedForEverySize) {
  for (std::size_t words = 1; words < (std::size_t{1} << 20); words = words * 5 / 3 + 1) {
    Buffer buffer(words);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_EQ(buffer.size(), words);
    std::fill_n(buffer.data(), words, ~std::uint64_t{0});  // AddressSanitizer checks the extent
  }
  EXPECT_EQ(Buffer(0).data(), nullptr);
  EXPECT_THROW(Buffer(std::size_t{1} << 60), Error);
}

TEST(Buffer, CopiesDeeplyAndMoves) {
  Buffer a(100);
  for (std::size_t i = 0; i < 100; ++i) a.data()[i] = i;
  Buffer b = a;
  EXPECT_NE(a.data(), b.data());
  b.data()[7] = 1000;
  EXPECT_EQ(a.data()[7], 7u);
  const std::uint64_t* const place = b.data();
  Buffer c = std::move(b);
  EXPECT_EQ(c.data(), place);
  c = a;
  EXPECT_EQ(c.data(), place) << "an assignment of equal size keeps its memory";
  EXPECT_EQ(c.data()[7], 7u);
  c = Buffer(3);
  EXPECT_EQ(c.size(), 3u);
  Buffer& alias = c;
  c = alias;
  EXPECT_EQ(c.size(), 3u);
  a.wipe();
  EXPECT_TRUE(std::all_of(a.data(), a.data() + 100, [](std::uint64_t x) { return x == 0; }));
}

TEST(Pool, CountsAndReuses) {
  const PoolStatistics before = pool_statistics();
  {
    const Buffer buffer(std::size_t{1} << 19);
    const PoolStatistics during = pool_statistics();
    EXPECT_GE(during.bytes_in_use, before.bytes_in_use + (std::size_t{8} << 19));
    EXPECT_GE(during.bytes_held, during.bytes_in_use);
    EXPECT_GE(during.peak_in_use, during.bytes_in_use);
  }
  const PoolStatistics after = pool_statistics();
  EXPECT_EQ(after.bytes_in_use, before.bytes_in_use);
  for (int i = 0; i < 100; ++i) Buffer(std::size_t{1} << 19);
  EXPECT_EQ(pool_statistics().bytes_held, after.bytes_held) << "a released block is used again";
}

TEST(Pool, SmallBlocksOfManySizesDoNotOverlap) {
  std::vector<Buffer> buffers;
  for (std::size_t i = 0; i < 3000; ++i) {
    buffers.emplace_back(1 + i * 37 % 5000);
    std::fill_n(buffers.back().data(), buffers.back().size(), i);
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    ASSERT_TRUE(
        std::all_of(buffers[i].data(), buffers[i].data() + buffers[i].size(), [i](std::uint64_t x) { return x == i; }));
  }
}

TEST(Pool, IsThreadSafe) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([t, &wrong] {
      for (std::size_t i = 0; i < 2000; ++i) {
        Buffer a(64 + (i * 31 + t) % 3000), b(a.size());
        std::fill_n(a.data(), a.size(), t);
        std::fill_n(b.data(), b.size(), t + 100);
        wrong[t] += std::any_of(a.data(), a.data() + a.size(), [t](std::uint64_t x) { return x != t; });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(Poly, HasRowsAndTruncates) {
  Poly poly(64, 3);
  poly.set_zero();
  EXPECT_EQ(poly.limb(2), poly.limb(0) + 128);
  for (std::size_t i = 0; i < 192; ++i) EXPECT_EQ(poly.limb(0)[i], 0u);
  poly.truncate(5);
  EXPECT_EQ(poly.limbs(), 3u);
  poly.truncate(1);
  EXPECT_EQ(poly.limbs(), 1u);
  EXPECT_TRUE(Poly().empty());
}

}  // namespace
}  // namespace thex::ring
