// One pool for all polynomial memory: 64-byte aligned blocks that are reused and go back to the operating system only
// when that is asked for (a fresh page costs more than the arithmetic on it). Blocks are grouped by size in powers of
// two and quarter steps; large blocks ask for huge pages. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace thex::ring {

// A movable buffer of 64-bit words from the pool. Contents are NOT initialised.
//
// A buffer marked as secret is overwritten with zeros when it gives its memory back, and so is every copy of it: the
// pool keeps no trace of keys and decrypted values.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t words);  // throws std::bad_alloc
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer& other);  // deep copy
  Buffer& operator=(const Buffer& other);

  std::uint64_t* data() { return data_; }
  const std::uint64_t* data() const { return data_; }
  std::size_t size() const { return words_; }
  // Overwrites with zeros in a way that the compiler cannot remove.
  void wipe();
  // From now on, also when it is moved; see above. A buffer stays secret when something else is assigned to it.
  void mark_secret() { secret_ = true; }
  bool secret() const { return secret_; }

 private:
  std::uint64_t* data_ = nullptr;
  std::size_t words_ = 0;
  bool secret_ = false;
};

struct PoolStatistics {
  std::size_t bytes_in_use = 0;       // blocks handed out, now
  std::size_t bytes_held = 0;         // taken from the system: in use and free for reuse
  std::size_t bytes_free = 0;         // of these free, with their pages still in memory
  std::size_t peak_in_use = 0;        // the most that was in use since the process began, or since reset_pool_peak()
  std::uint64_t allocations = 0;      // blocks handed out so far
  std::uint64_t system_requests = 0;  // how often the system was asked for memory: stands still in a steady state
};
PoolStatistics pool_statistics();
// Starts the peak anew from what is in use now.
void reset_pool_peak();

// Gives the pages of free blocks back to the operating system until at most `keep` bytes of them are left; the blocks
// stay in the pool, and their next users find fresh pages. For a program whose need has shrunk for longer.
void trim_pool(std::size_t keep = 0);

}  // namespace thex::ring
