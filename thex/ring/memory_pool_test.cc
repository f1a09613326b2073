#include "thex/ring/memory_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <thread>
#include <vector>

#include "thex/base/sanitizers.h"
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
  EXPECT_THROW(Buffer(std::size_t{1} << 60), std::bad_alloc);
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

// Whether a block of the pool holds `value` in one of its words but the first, which links free blocks.
bool block_holds(const std::uint64_t* block, std::size_t words, std::uint64_t value) {
  const volatile std::uint64_t* const memory = block;
  for (std::size_t i = 1; i < words; ++i) {
    if (memory[i] == value) return true;
  }
  return false;
}

#if !THEX_ADDRESS_SANITIZER  // released memory may not be looked at then, and the pool keeps none

TEST(SecretBuffer, LeavesNothingInThePool) {
  constexpr std::uint64_t kSecret = 0x5ec2e70fa05eed;
  constexpr std::size_t kWords = 777;
  for (const bool secret : {false, true}) {
    const std::uint64_t* blocks[4];
    {
      Buffer a(kWords);
      std::fill_n(a.data(), kWords, kSecret);
      if (secret) a.mark_secret();
      Buffer copy = a, assigned(3), moved_from = a;
      assigned = a;
      const Buffer moved = std::move(moved_from);
      EXPECT_EQ(copy.secret() && assigned.secret() && moved.secret(), secret);
      EXPECT_FALSE(Buffer(3).secret());
      std::size_t i = 0;
      for (const Buffer* b : {&std::as_const(a), &std::as_const(copy), &std::as_const(assigned), &moved}) {
        blocks[i++] = b->data();
      }
      for (const std::uint64_t* block : blocks) EXPECT_TRUE(block_holds(block, kWords, kSecret));
    }
    for (const std::uint64_t* block : blocks) EXPECT_EQ(block_holds(block, kWords, kSecret), !secret);
  }
}

TEST(SecretBuffer, AssignmentWipesWhatItReplaces) {
  constexpr std::uint64_t kSecret = 0x5ec2e70fa05eee;
  Buffer a(500);
  a.mark_secret();
  std::fill_n(a.data(), 500, kSecret);
  const std::uint64_t* const first = a.data();
  a = Buffer(100);
  EXPECT_FALSE(block_holds(first, 500, kSecret)) << "moved into";
  EXPECT_FALSE(a.secret());

  Buffer b(500);
  b.mark_secret();
  std::fill_n(b.data(), 500, kSecret);
  const std::uint64_t* const second = b.data();
  const Buffer plain(700);
  b = plain;
  EXPECT_FALSE(block_holds(second, 500, kSecret)) << "copied into";
  EXPECT_TRUE(b.secret());
}

#endif

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
  EXPECT_EQ(pool_statistics().allocations, after.allocations + 100);
#if !THEX_ADDRESS_SANITIZER
  EXPECT_EQ(pool_statistics().system_requests, after.system_requests);
#endif
}

#if !THEX_ADDRESS_SANITIZER

// Pages of this range that are in memory, by mincore().
std::size_t resident_bytes(const void* memory, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(memory) + page - 1) / page * page;
  std::vector<unsigned char> pages(bytes / page);
  if (::mincore(reinterpret_cast<void*>(begin), pages.size() * page, pages.data()) != 0) return 0;
  return page *
         static_cast<std::size_t>(std::count_if(pages.begin(), pages.end(), [](auto p) { return (p & 1) != 0; }));
}

TEST(Pool, GivesPagesBackWhenAskedTo) {
  constexpr std::size_t kWords = std::size_t{1} << 20, kBytes = kWords * 8;
  trim_pool();
  EXPECT_EQ(pool_statistics().bytes_free, 0u);
  const void* place = nullptr;
  {
    Buffer large(kWords), small(100'000);
    place = large.data();
    std::fill_n(large.data(), kWords, 7);
    std::fill_n(small.data(), small.size(), 7);
  }
  EXPECT_GE(pool_statistics().bytes_free, kBytes + 800'000);
  EXPECT_GE(resident_bytes(place, kBytes), kBytes / 2) << "kept for reuse";
  trim_pool(std::size_t{1} << 40);
  EXPECT_GE(resident_bytes(place, kBytes), kBytes / 2) << "as many as are to be kept";
  const std::size_t held = pool_statistics().bytes_held;
  trim_pool();
  EXPECT_EQ(pool_statistics().bytes_free, 0u);
  EXPECT_LE(resident_bytes(place, kBytes), std::size_t{65536});
  // And it is used again.
  Buffer again(kWords), other(100'000);
  std::fill_n(again.data(), kWords, 9);
  std::fill_n(other.data(), other.size(), 8);
  EXPECT_TRUE(std::all_of(again.data(), again.data() + kWords, [](std::uint64_t x) { return x == 9; }));
  EXPECT_EQ(again.data(), place);
  EXPECT_EQ(pool_statistics().bytes_held, held);
}

#endif

TEST(Pool, PeakIsOfTheTimeSinceItsReset) {
  { const Buffer large(std::size_t{1} << 20); }
  EXPECT_GT(pool_statistics().peak_in_use, pool_statistics().bytes_in_use);
  reset_pool_peak();
  const PoolStatistics start = pool_statistics();
  EXPECT_EQ(start.peak_in_use, start.bytes_in_use);
  { const Buffer small(std::size_t{1} << 18); }
  EXPECT_EQ(pool_statistics().bytes_in_use, start.bytes_in_use);
  EXPECT_GE(pool_statistics().peak_in_use, start.bytes_in_use + (std::size_t{8} << 18));
  EXPECT_LT(pool_statistics().peak_in_use, start.bytes_in_use + (std::size_t{8} << 20));
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

TEST(Poly, HasRows) {
  Poly poly(64, 3);
  EXPECT_EQ(poly.limb(2), poly.limb(0) + 128);
  EXPECT_EQ(poly.limbs(), 3u);
  EXPECT_TRUE(Poly().empty());
}

}  // namespace
}  // namespace thex::ring
