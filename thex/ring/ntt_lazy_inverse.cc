#include "thex/ring/ntt_lazy_inverse.h"

#include <bit>

#include "thex/ring/simd/avx512ifma.h"

namespace thex::ring {
namespace {

using u64 = std::uint64_t;

bool odd_ones(std::size_t m) { return std::popcount(m) % 2 != 0; }
u64 quotient52(u64 w, const Modulus& q) { return q.shoup(w) >> 12; }

}  // namespace

LazyInverseTable::LazyInverseTable(const Modulus& q, int log_n, const u64* roots) {
  fill_leaves(q, log_n, roots);
  fill_scales(q, log_n, roots);
}

void LazyInverseTable::fill_leaves(const Modulus& q, int log_n, const u64* roots) {
  // Powers of the inverse of the 64th root of unity: roots[2^k] has order 2^(k + 2).
  u64 powers[64] = {1};
  for (std::size_t i = 1; i < 64; ++i) powers[i] = q.mul(powers[i - 1], roots[16]);

  leaf_constants_ = Buffer(26 * 8);
  u64* out = leaf_constants_.data();
  // index(lane): position j of the lane's value inside its block of `distance`; its factor is the j-th power of the
  // inverse root of order 2 distance, and its sign is known from j.
  const auto put = [&](std::size_t distance, auto index, bool with_start, u64 lift) {
    for (std::size_t lane = 0; lane < 8; ++lane) {
      const std::size_t j = index(lane);
      const u64 w = powers[j * (32 / distance)], quotient = quotient52(w, q);
      out[lane] = w;
      out[8 + lane] = quotient;
      if (with_start) out[16 + lane] = (odd_ones(j >> 1) ? 0 - quotient : 0) - lift;
    }
    out += with_start ? 24 : 16;
  };
  put(
      2, [](std::size_t lane) { return lane >> 2; }, false, 0);
  put(
      4, [](std::size_t lane) { return lane >> 1; }, true, 0);
  put(
      8, [](std::size_t lane) { return lane; }, true, 0);
  for (std::size_t r = 0; r < 2; ++r)
    put(
        16, [r](std::size_t lane) { return 8 * r + lane; }, true, 0);
  for (std::size_t r = 0; r < 4; ++r)
    put(
        32, [r](std::size_t lane) { return 8 * r + lane; }, true, ifma::kLeafLift);

  const std::size_t leaves = std::size_t{1} << (log_n - kLazyLeafLog);
  leaf_twists_ = Buffer(64 * leaves);
  for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
    const u64 root = roots[32 * (leaves + leaf)];
    u64 power = 1;
    for (std::size_t m = 0; m < 64; ++m) {
      leaf_twists_.data()[64 * leaf + m] = quotient52(odd_ones(m >> 1) ? q.neg(power) : power, q);
      power = q.mul(power, root);
    }
  }
}

void LazyInverseTable::fill_scales(const Modulus& q, int log_n, const u64* roots) {
  std::size_t pairs = 0;
  for (int log = log_n; log > kLazyLeafLog; log -= lazy_inverse_stages(log)) {
    pairs += std::size_t{1} << (log_n - log + lazy_inverse_stages(log));
  }
  scales_ = Buffer(2 * pairs);
  u64* out = scales_.data();
  for (int log = log_n; log > kLazyLeafLog; log -= lazy_inverse_stages(log)) {
    const int stages = lazy_inverse_stages(log);
    const std::size_t blocks = std::size_t{1} << (log_n - log);
    for (std::size_t node = blocks; node < 2 * blocks; ++node) {
      const u64 root = roots[node << (stages - 1)];
      u64 power = log == log_n ? q.inverse(u64{1} << log_n) : 1;
      for (std::size_t m = 0; m < (std::size_t{1} << stages); ++m, out += 2) {
        out[0] = m == 3 || m == 5 || m == 6 ? q.neg(power) : power;
        out[1] = quotient52(out[0], q);
        power = q.mul(power, root);
      }
    }
  }
}

}  // namespace thex::ring
