// Arithmetic modulo one prime q < 2^50. All values are canonical residues in [0, q) unless a comment says otherwise.
#pragma once

#include <cstdint>
#include <vector>

namespace thex::ring {

// Largest prime size: 52-bit IFMA and double-precision FMA kernels both need two spare bits.
inline constexpr int kMaxPrimeBits = 50;
// Up to here the transforms reduce nothing on the way, on every instruction set (simd/avx512ifma.h, simd/ntt_avx2.cc).
inline constexpr int kFastPrimeBits = 46;

__extension__ typedef unsigned __int128 Uint128;

// High word of the 128-bit product.
inline std::uint64_t mul_high(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>((static_cast<Uint128>(a) * b) >> 64);
}

class Modulus {
 public:
  // q: an odd prime in [3, 2^50). Throws Error(crypto) otherwise (primality is tested).
  explicit Modulus(std::uint64_t q);

  std::uint64_t value() const { return q_; }
  int bits() const { return bits_; }  // q < 2^bits

  std::uint64_t add(std::uint64_t a, std::uint64_t b) const {
    const std::uint64_t s = a + b;
    return s >= q_ ? s - q_ : s;
  }
  std::uint64_t sub(std::uint64_t a, std::uint64_t b) const { return a >= b ? a - b : a + q_ - b; }
  std::uint64_t neg(std::uint64_t a) const { return a == 0 ? 0 : q_ - a; }
  // Any 64-bit a -> [0, q).
  std::uint64_t reduce(std::uint64_t a) const {
    const std::uint64_t r = a - mul_high(a, barrett_hi_) * q_;
    return r >= q_ ? r - q_ : r;
  }
  // Any 128-bit a -> [0, q): Barrett, the quotient is at most one too small.
  std::uint64_t reduce128(Uint128 a) const {
    const std::uint64_t a0 = static_cast<std::uint64_t>(a), a1 = static_cast<std::uint64_t>(a >> 64);
    const Uint128 m1 = static_cast<Uint128>(a0) * barrett_hi_ + mul_high(a0, barrett_lo_);
    const Uint128 m2 = static_cast<Uint128>(a1) * barrett_lo_ + static_cast<std::uint64_t>(m1);
    const std::uint64_t quotient =
        a1 * barrett_hi_ + static_cast<std::uint64_t>(m1 >> 64) + static_cast<std::uint64_t>(m2 >> 64);
    const std::uint64_t r = a0 - quotient * q_;
    return r >= q_ ? r - q_ : r;
  }
  std::uint64_t mul(std::uint64_t a, std::uint64_t b) const { return reduce128(static_cast<Uint128>(a) * b); }
  // floor(w * 2^64 / q): Shoup's precomputed quotient for multiplying by the constant w in [0, q).
  // Shifted right by 12 it is floor(w * 2^52 / q), the quotient that IFMA kernels use.
  std::uint64_t shoup(std::uint64_t w) const {
    // As in reduce128: the quotient of w 2^64 by Barrett is at most one too small.
    const std::uint64_t quotient = w * barrett_hi_ + mul_high(w, barrett_lo_);
    return quotient + (0 - quotient * q_ >= q_ ? 1 : 0);
  }
  std::uint64_t pow(std::uint64_t base, std::uint64_t exponent) const;
  std::uint64_t inverse(std::uint64_t a) const;  // throws Error(crypto) for 0
  // Signed integer -> residue.
  std::uint64_t from_signed(std::int64_t a) const;

  std::uint64_t barrett_hi() const { return barrett_hi_; }  // floor(2^128 / q), high word
  std::uint64_t barrett_lo() const { return barrett_lo_; }  // and low word

  friend bool operator==(const Modulus& a, const Modulus& b) { return a.q_ == b.q_; }

 private:
  std::uint64_t q_ = 0, barrett_hi_ = 0, barrett_lo_ = 0;
  int bits_ = 0;
};

bool is_prime(std::uint64_t n);  // deterministic Miller-Rabin for 64-bit n

// `count` distinct primes = 1 mod 2N as near as possible to 2^bits (alternating above and below it where they stay
// under 2^50), none of them in `exclude`. Throws Error(crypto) when there are not enough.
std::vector<std::uint64_t> ntt_primes(int bits, int log_n, std::size_t count,
                                      const std::vector<std::uint64_t>& exclude = {});

}  // namespace thex::ring
