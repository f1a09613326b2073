#include "thex/ring/memory_pool.h"

#include <sodium.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "thex/base/sanitizers.h"
#include "thex/ring/block_size.h"

namespace thex::ring {
namespace {

constexpr std::size_t kSlab = 4 * kHugePage;  // small blocks are cut from slabs of this size
// Blocks lie a cache line apart: sizes are multiples of a page mostly, and the same places of many blocks (the factors
// of a sum) would otherwise fall into one set of the first cache.
constexpr std::size_t kLine = 64;

void* system_allocate(std::size_t bytes, std::size_t alignment) {
  void* memory = std::aligned_alloc(alignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

class Pool {
 public:
  void* allocate(std::size_t block) {
    const std::lock_guard lock(mutex_);
    void* memory = take(block);
    ++statistics_.allocations;
    statistics_.bytes_in_use += block;
    statistics_.peak_in_use = std::max(statistics_.peak_in_use, statistics_.bytes_in_use);
    return memory;
  }

  void release(void* memory, std::size_t block) noexcept {
    const std::lock_guard lock(mutex_);
    statistics_.bytes_in_use -= block;
#if THEX_ADDRESS_SANITIZER
    statistics_.bytes_held -= block;
    std::free(memory);
#else
    statistics_.bytes_free += block;
    free_.find(block)->second.warm.push(memory);
#endif
  }

  void trim([[maybe_unused]] std::size_t keep) {
#if !THEX_ADDRESS_SANITIZER
    const std::lock_guard lock(mutex_);
    for (auto it = free_.rbegin(); it != free_.rend(); ++it) {  // the largest first: the fewest calls
      const auto& [block, lists] = *it;
      while (statistics_.bytes_free > keep && !lists.warm.empty()) {
        void* const memory = it->second.warm.pop();
        give_back_pages(memory, block);
        it->second.cold.push(memory);
        statistics_.bytes_free -= block;
      }
    }
#endif
  }

  PoolStatistics statistics() {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    statistics_.peak_in_use = statistics_.bytes_in_use;
  }

 private:
#if THEX_ADDRESS_SANITIZER
  // Under AddressSanitizer every block is a fresh one, so that a use after its release is seen.
  void* take(std::size_t block) {
    void* memory = system_allocate(block, 64);
    ++statistics_.system_requests;
    statistics_.bytes_held += block;
    return memory;
  }
#else
  // Free blocks of one size. A block holds the link to the next one, so that releasing never allocates and never
  // throws.
  struct FreeList {
    void* head = nullptr;
    bool empty() const { return head == nullptr; }
    void push(void* memory) {
      std::memcpy(memory, &head, sizeof head);
      head = memory;
    }
    void* pop() {
      void* const memory = head;
      std::memcpy(&head, memory, sizeof head);
      return memory;
    }
  };
  struct FreeLists {
    FreeList warm;  // as they were left
    FreeList cold;  // their pages were given back
  };

  // All whole pages of a block but the first, which holds the link.
  static void give_back_pages(void* memory, std::size_t block) {
    static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(memory), end = (begin + block) / page * page;
    const std::uintptr_t from = (begin + sizeof(void*) + page - 1) / page * page;
    if (from < end) madvise(reinterpret_cast<void*>(from), end - from, MADV_DONTNEED);
  }

  void* take(std::size_t block) {
    FreeLists& lists = free_[block];
    if (!lists.warm.empty()) {
      statistics_.bytes_free -= block;
      return lists.warm.pop();
    }
    if (!lists.cold.empty()) return lists.cold.pop();
    if (block >= kHugePage) return fresh(block);
    if (slab_left_ < block + kLine) {
      slab_ = static_cast<char*>(fresh(kSlab));
      slab_left_ = kSlab;
    }
    void* memory = slab_;
    slab_ += block + kLine;
    slab_left_ -= block + kLine;
    return memory;
  }

  void* fresh(std::size_t bytes) {
    void* memory = system_allocate(bytes, kHugePage);
    madvise(memory, bytes, MADV_HUGEPAGE);  // advice only: a kernel without huge pages may refuse it
    ++statistics_.system_requests;
    statistics_.bytes_held += bytes;
    return memory;
  }

  std::map<std::size_t, FreeLists> free_;  // by block size
  char* slab_ = nullptr;
  std::size_t slab_left_ = 0;
#endif
  std::mutex mutex_;
  PoolStatistics statistics_;
};

// Never destroyed: buffers with static storage may be released after any destructor here would have run.
Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
}

}  // namespace

Buffer::Buffer(std::size_t words) : words_(words) {
  if (words == 0) return;
  if (words > (std::size_t{1} << 48)) throw std::bad_alloc();
  data_ = static_cast<std::uint64_t*>(pool().allocate(block_bytes(words * sizeof(std::uint64_t))));
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (secret_) wipe();
  pool().release(data_, block_bytes(words_ * sizeof(std::uint64_t)));
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), words_(std::exchange(other.words_, 0)), secret_(other.secret_) {}

// The old contents leave with `other`, and so does their mark.
Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(words_, other.words_);
  std::swap(secret_, other.secret_);
  return *this;
}

Buffer::Buffer(const Buffer& other) : Buffer(other.words_) {
  secret_ = other.secret_;
  if (words_ != 0) std::memcpy(data_, other.data_, words_ * sizeof(std::uint64_t));
}

Buffer& Buffer::operator=(const Buffer& other) {
  if (this == &other) return *this;
  if (words_ != other.words_) {
    const bool secret = secret_;
    *this = Buffer(other.words_);
    secret_ = secret;
  }
  secret_ = secret_ || other.secret_;
  if (words_ != 0) std::memcpy(data_, other.data_, words_ * sizeof(std::uint64_t));
  return *this;
}

void Buffer::wipe() {
  if (data_ != nullptr) sodium_memzero(data_, words_ * sizeof(std::uint64_t));
}

PoolStatistics pool_statistics() { return pool().statistics(); }
void reset_pool_peak() { pool().reset_peak(); }
void trim_pool(std::size_t keep) { pool().trim(keep); }

}  // namespace thex::ring
