#include "thex/ring/modulus.h"

#include <algorithm>
#include <string>

#include "thex/base/error.h"

namespace thex::ring {
namespace {

std::uint64_t mul_mod(std::uint64_t a, std::uint64_t b, std::uint64_t n) {
  return static_cast<std::uint64_t>(static_cast<Uint128>(a) * b % n);
}

std::uint64_t pow_mod(std::uint64_t base, std::uint64_t exponent, std::uint64_t n) {
  std::uint64_t result = 1 % n;
  for (base %= n; exponent != 0; exponent >>= 1) {
    if (exponent & 1) result = mul_mod(result, base, n);
    base = mul_mod(base, base, n);
  }
  return result;
}

}  // namespace

bool is_prime(std::uint64_t n) {
  // The first twelve primes are sufficient witnesses for every n < 2^64 (Sorenson and Webster, 2015).
  constexpr std::uint64_t kWitnesses[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
  if (n < 2) return false;
  for (const std::uint64_t p : kWitnesses) {
    if (n % p == 0) return n == p;
  }
  std::uint64_t odd = n - 1;
  int twos = 0;
  for (; (odd & 1) == 0; odd >>= 1) ++twos;
  for (const std::uint64_t witness : kWitnesses) {
    std::uint64_t x = pow_mod(witness, odd, n);
    if (x == 1 || x == n - 1) continue;
    bool composite = true;
    for (int i = 1; i < twos && composite; ++i) {
      x = mul_mod(x, x, n);
      composite = x != n - 1;
    }
    if (composite) return false;
  }
  return true;
}

Modulus::Modulus(std::uint64_t q) : q_(q) {
  if (q < 3 || q >= (std::uint64_t{1} << kMaxPrimeBits) || !is_prime(q)) {
    throw Error(ErrorCode::crypto,
                "modulus " + std::to_string(q) + " is not an odd prime below 2^" + std::to_string(kMaxPrimeBits));
  }
  // q is odd, so it does not divide 2^128 and the floors of 2^128 / q and (2^128 - 1) / q agree.
  const Uint128 quotient = ~Uint128{0} / q;
  barrett_hi_ = static_cast<std::uint64_t>(quotient >> 64);
  barrett_lo_ = static_cast<std::uint64_t>(quotient);
  for (bits_ = 0; (q >> bits_) != 0;) ++bits_;
}

std::uint64_t Modulus::pow(std::uint64_t base, std::uint64_t exponent) const {
  std::uint64_t result = 1;
  for (base = reduce(base); exponent != 0; exponent >>= 1) {
    if (exponent & 1) result = mul(result, base);
    base = mul(base, base);
  }
  return result;
}

std::uint64_t Modulus::inverse(std::uint64_t a) const {
  const std::uint64_t reduced = reduce(a);
  if (reduced == 0) throw Error(ErrorCode::crypto, "0 has no inverse modulo " + std::to_string(q_));
  return pow(reduced, q_ - 2);
}

std::uint64_t Modulus::from_signed(std::int64_t a) const {
  const std::uint64_t sign = static_cast<std::uint64_t>(a >> 63);  // all ones for a < 0
  const std::uint64_t magnitude = (static_cast<std::uint64_t>(a) ^ sign) - sign;
  const std::uint64_t r = reduce(magnitude);
  // No branch on the sign: samplers of secrets come through here.
  const std::uint64_t negated = (q_ - r) & (0 - static_cast<std::uint64_t>(r != 0));
  return (r & ~sign) | (negated & sign);
}

std::vector<std::uint64_t> ntt_primes(int bits, int log_n, std::size_t count,
                                      const std::vector<std::uint64_t>& exclude) {
  const auto fail = [&](const std::string& why) {
    throw Error(ErrorCode::crypto, "cannot find " + std::to_string(count) + " primes of " + std::to_string(bits) +
                                       " bits equal to 1 modulo 2^" + std::to_string(log_n + 1) + ": " + why);
  };
  if (log_n < 1 || bits < log_n + 2 || bits > kMaxPrimeBits) fail("the size is out of range");
  const std::uint64_t centre = std::uint64_t{1} << bits, step = std::uint64_t{2} << log_n;
  const std::uint64_t highest = std::min(centre + centre / 2, std::uint64_t{1} << kMaxPrimeBits);
  const std::uint64_t lowest = centre - centre / 4;
  const auto wanted = [&](std::uint64_t q) {
    return is_prime(q) && std::find(exclude.begin(), exclude.end(), q) == exclude.end();
  };
  std::uint64_t up = centre + 1, down = centre + 1 - step;  // the next candidates on either side
  std::vector<std::uint64_t> primes;
  bool above = true;
  while (primes.size() < count) {
    while (up < highest && !wanted(up)) up += step;
    while (down > lowest && !wanted(down)) down -= step;
    const bool have_up = up<highest, have_down = down> lowest;
    if (!have_up && !have_down) fail("only " + std::to_string(primes.size()) + " are near 2^" + std::to_string(bits));
    if (have_up && (above || !have_down)) {
      primes.push_back(up);
      up += step;
    } else {
      primes.push_back(down);
      down -= step;
    }
    above = !above;
  }
  return primes;
}

}  // namespace thex::ring
