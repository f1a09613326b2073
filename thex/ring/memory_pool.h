// One pool for all polynomial memory: 64-byte aligned blocks that are reused, never returned to the operating system
// while the process runs (a fresh page costs more than the arithmetic on it). Blocks are grouped by size in powers of
// two and quarter steps; large blocks ask for huge pages. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace thex::ring {

// A movable buffer of 64-bit words from the pool. Contents are NOT initialised.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t words);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer& other);  // deep copy
  Buffer& operator=(const Buffer& other);

  std::uint64_t* data() { return data_; }
  const std::uint64_t* data() const { return data_; }
  std::size_t size() const { return words_; }
  // Overwrites with zeros in a way that the compiler cannot remove: for secrets.
  void wipe();

 private:
  std::uint64_t* data_ = nullptr;
  std::size_t words_ = 0;
};

struct PoolStatistics {
  std::size_t bytes_in_use = 0;
  std::size_t bytes_held = 0;  // in use and free for reuse
  std::size_t peak_in_use = 0;
};
PoolStatistics pool_statistics();

}  // namespace thex::ring
