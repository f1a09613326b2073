#include "thex/ring/ntt.h"

#include <algorithm>
#include <string>

#include "thex/base/error.h"
#include "thex/ring/kernels.h"
#include "thex/ring/simd/avx512ifma.h"

namespace thex::ring {
namespace {

// Of a prime of that many bits, which may lie a little above the power of two.
static_assert(ifma::kLazyLimit > (std::uint64_t{1} << kFastPrimeBits));

std::uint64_t reverse_bits(std::uint64_t value, int bits) {
  std::uint64_t reversed = 0;
  for (int i = 0; i < bits; ++i, value >>= 1) reversed = (reversed << 1) | (value & 1);
  return reversed;
}

// The smallest element of order 2N = 2^(log_n + 1).
std::uint64_t smallest_primitive_root(const Modulus& q, int log_n) {
  const std::uint64_t order = std::uint64_t{2} << log_n;
  for (std::uint64_t base = 2;; ++base) {
    // base^((q-1)/2N) has an order that divides 2N; it is 2N exactly when its N-th power is -1.
    const std::uint64_t candidate = q.pow(base, (q.value() - 1) / order);
    if (q.pow(candidate, order / 2) != q.value() - 1) continue;
    const std::uint64_t square = q.mul(candidate, candidate);
    std::uint64_t smallest = candidate, power = candidate;
    for (std::uint64_t i = 1; i < order / 2; ++i) {  // the primitive roots are the odd powers
      power = q.mul(power, square);
      smallest = std::min(smallest, power);
    }
    return smallest;
  }
}

void fill_powers(const Modulus& q, std::uint64_t base, int log_n, Buffer& roots, Buffer& shoup64, Buffer& shoup52) {
  const std::size_t n = std::size_t{1} << log_n;
  std::uint64_t power = 1;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t slot = reverse_bits(i, log_n);
    const std::uint64_t quotient = q.shoup(power);
    roots.data()[slot] = power;
    shoup64.data()[slot] = quotient;
    shoup52.data()[slot] = quotient >> 12;
    power = q.mul(power, base);
  }
}

}  // namespace

NttTable::NttTable(const Modulus& q, int log_n, int max_log_n) : q_(q), log_n_(log_n) {
  if (log_n < 5 || max_log_n < log_n || max_log_n > 16) {
    throw Error(ErrorCode::crypto, "NTT size 2^" + std::to_string(log_n) + " in a ring of 2^" +
                                       std::to_string(max_log_n) + " is out of range (2^5 to 2^16)");
  }
  if ((q.value() - 1) % (std::uint64_t{2} << max_log_n) != 0) {
    throw Error(ErrorCode::crypto, "prime " + std::to_string(q.value()) + " is not 1 modulo 2^" +
                                       std::to_string(max_log_n + 1) + ", as its NTT needs");
  }
  psi_ = q.pow(smallest_primitive_root(q, max_log_n), std::uint64_t{1} << (max_log_n - log_n));
  const std::size_t size = n();
  for (Buffer* buffer :
       {&roots_, &roots_shoup64_, &roots_shoup52_, &inverse_roots_, &inverse_roots_shoup64_, &inverse_roots_shoup52_}) {
    *buffer = Buffer(size);
  }
  fill_powers(q, psi_, log_n, roots_, roots_shoup64_, roots_shoup52_);
  fill_powers(q, q.inverse(psi_), log_n, inverse_roots_, inverse_roots_shoup64_, inverse_roots_shoup52_);
  roots_minus_shoup52_ = Buffer(size / 8);
  for (std::size_t i = 0; i < size / 8; ++i) roots_minus_shoup52_.data()[i] = 0 - roots_shoup52_.data()[i];
  n_inverse_ = q.inverse(size);
  n_inverse_shoup64_ = q.shoup(n_inverse_);
  last_inverse_root_ = q.mul(inverse_roots_.data()[1], n_inverse_);
  last_inverse_root_shoup64_ = q.shoup(last_inverse_root_);
  if (log_n > kLazyLeafLog && q.value() <= ifma::kLazyLimit && kernels_for(Isa::avx512ifma) != nullptr) {
    lazy_inverse_ = LazyInverseTable(q, log_n, inverse_roots_.data());
  }
}

std::vector<std::uint32_t> automorphism_permutation(int log_n, std::uint64_t g) {
  if (log_n < 1 || log_n > 30 || g % 2 == 0 || g >= (std::uint64_t{2} << log_n)) {
    throw Error(ErrorCode::crypto, "X -> X^" + std::to_string(g) + " is not an automorphism of the ring of degree 2^" +
                                       std::to_string(log_n));
  }
  const std::uint64_t n = std::uint64_t{1} << log_n;
  std::vector<std::uint32_t> index(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    // Slot i holds a(psi^e) with e = 2 brv(i) + 1, and sigma_g a there is a(psi^(g e)).
    const std::uint64_t exponent = (2 * reverse_bits(i, log_n) + 1) * g & (2 * n - 1);
    index[i] = static_cast<std::uint32_t>(reverse_bits(exponent >> 1, log_n));
  }
  return index;
}

}  // namespace thex::ring
