// RNS polynomials: `limbs` rows of N residues, one row per prime. Which primes the rows belong to is the caller's
// knowledge (ckks::Context numbers them); a Poly is only the memory and its shape.
#pragma once

#include <cstdint>

#include "thex/ring/memory_pool.h"

namespace thex::ring {

class Poly {
 public:
  Poly() = default;
  Poly(std::size_t n, std::size_t limbs) : buffer_(n * limbs), n_(n), limbs_(limbs) {}

  std::size_t n() const { return n_; }
  std::size_t limbs() const { return limbs_; }
  bool empty() const { return limbs_ == 0; }
  std::uint64_t* limb(std::size_t i) { return buffer_.data() + i * n_; }
  const std::uint64_t* limb(std::size_t i) const { return buffer_.data() + i * n_; }
  void wipe() { buffer_.wipe(); }
  // Wiped when it goes, and so are its copies (memory_pool.h).
  void mark_secret() { buffer_.mark_secret(); }
  bool secret() const { return buffer_.secret(); }

 private:
  Buffer buffer_;
  std::size_t n_ = 0, limbs_ = 0;
};

}  // namespace thex::ring
