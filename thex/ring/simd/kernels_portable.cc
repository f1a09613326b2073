// Plain C++ kernels: 64-bit Shoup products, 128-bit accumulators.
//
// Primes have at most 50 bits and a Shoup product accepts any 64-bit operand, so the forward transform can let its
// residues grow by 2q a stage (at most 34q < 2^56 after 16 stages) and reduce once at the end.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "thex/ring/ntt.h"
#include "thex/ring/simd/kernel_tables.h"

namespace thex::ring {
namespace {

using u64 = std::uint64_t;

// a * w mod q in [0, 2q) for any 64-bit a.
inline u64 mul_lazy(u64 a, u64 w, u64 w_shoup, u64 q) { return a * w - mul_high(a, w_shoup) * q; }
inline u64 reduce_once(u64 a, u64 q) { return a >= q ? a - q : a; }

void ntt_forward(u64* a, const NttTable& table) {
  const u64 q = table.modulus().value(), two_q = 2 * q, barrett = table.modulus().barrett_hi();
  const std::size_t n = table.n();
  const u64* const roots = table.roots();
  const u64* const quotients = table.roots_shoup64();
  for (std::size_t m = 1, t = n / 2; m < n; m *= 2, t /= 2) {
    for (std::size_t i = 0; i < m; ++i) {
      const u64 w = roots[m + i], w_shoup = quotients[m + i];
      u64* const x = a + 2 * i * t;
      u64* const y = x + t;
      for (std::size_t j = 0; j < t; ++j) {
        const u64 product = mul_lazy(y[j], w, w_shoup, q), kept = x[j];
        x[j] = kept + product;
        y[j] = kept + two_q - product;
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) a[i] = reduce_once(a[i] - mul_high(a[i], barrett) * q, q);
}

// The inverse transform times a constant: the last stage multiplies sums by `scale` and differences
// by `last`, that constant over N without and with the stage's root.
void ntt_inverse(u64* a, u64 scale, u64 last, const NttTable& table) {
  const u64 q = table.modulus().value(), two_q = 2 * q;
  const std::size_t n = table.n();
  const u64* const roots = table.inverse_roots();
  const u64* const quotients = table.inverse_roots_shoup64();
  // Residues stay in [0, 2q).
  for (std::size_t m = n / 2, t = 1; m > 1; m /= 2, t *= 2) {
    for (std::size_t i = 0; i < m; ++i) {
      const u64 w = roots[m + i], w_shoup = quotients[m + i];
      u64* const x = a + 2 * i * t;
      u64* const y = x + t;
      for (std::size_t j = 0; j < t; ++j) {
        const u64 sum = x[j] + y[j], difference = x[j] + two_q - y[j];
        x[j] = reduce_once(sum, two_q);
        y[j] = mul_lazy(difference, w, w_shoup, q);
      }
    }
  }
  const u64 scale_shoup = table.modulus().shoup(scale), last_shoup = table.modulus().shoup(last);
  for (std::size_t j = 0; j < n / 2; ++j) {
    const u64 sum = a[j] + a[j + n / 2], difference = a[j] + two_q - a[j + n / 2];
    a[j] = reduce_once(mul_lazy(sum, scale, scale_shoup, q), q);
    a[j + n / 2] = reduce_once(mul_lazy(difference, last, last_shoup, q), q);
  }
}

void ntt_inverse(u64* a, const NttTable& table) { ntt_inverse(a, table.n_inverse(), table.last_inverse_root(), table); }

void ntt_inverse_scaled(u64* dst, const u64* a, u64 w, const NttTable& table) {
  const Modulus& q = table.modulus();
  if (dst != a) std::copy_n(a, table.n(), dst);
  ntt_inverse(dst, q.mul(table.n_inverse(), w), q.mul(table.last_inverse_root(), w), table);
}

void add(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) {
  const u64 p = q.value();
  for (std::size_t i = 0; i < n; ++i) dst[i] = reduce_once(a[i] + b[i], p);
}

void sub(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) {
  const u64 p = q.value();
  for (std::size_t i = 0; i < n; ++i) dst[i] = reduce_once(a[i] + p - b[i], p);
}

void neg(u64* dst, const u64* a, std::size_t n, const Modulus& q) {
  const u64 p = q.value();
  for (std::size_t i = 0; i < n; ++i) dst[i] = reduce_once(p - a[i], p);
}

void mul(u64* dst, const u64* a, const u64* b, std::size_t n, const Modulus& q) {
  const Modulus p = q;
  for (std::size_t i = 0; i < n; ++i) dst[i] = p.mul(a[i], b[i]);
}

void mul_scalar(u64* dst, const u64* a, u64 w, std::size_t n, const Modulus& q) {
  const u64 p = q.value(), w_shoup = q.shoup(w);
  for (std::size_t i = 0; i < n; ++i) dst[i] = reduce_once(mul_lazy(a[i], w, w_shoup, p), p);
}

void sub_mul_scalar(u64* dst, const u64* a, const u64* b, u64 w, std::size_t n, const Modulus& q) {
  const u64 p = q.value(), w_shoup = q.shoup(w);
  for (std::size_t i = 0; i < n; ++i) dst[i] = reduce_once(mul_lazy(a[i] + p - b[i], w, w_shoup, p), p);
}

constexpr std::size_t kBlock = 4;  // accumulators held at a time; divides every n

void inner_product(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t n,
                   const Modulus& q) {
  for (std::size_t i = 0; i < n; i += kBlock) {
    std::array<Uint128, kBlock> sums{};
    for (std::size_t k = 0; k < count; ++k) {
      for (std::size_t j = 0; j < kBlock; ++j) sums[j] += static_cast<Uint128>(a[k][i + j]) * b[k][i + j];
    }
    for (std::size_t j = 0; j < kBlock; ++j) dst[i + j] = q.reduce128(sums[j]);
  }
}

void inner_product_runs(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t run,
                        std::size_t n, const Modulus& q) {
  const int shift = std::countr_zero(run);
  for (std::size_t i = 0; i < n; i += kBlock) {
    std::array<Uint128, kBlock> sums{};
    for (std::size_t k = 0; k < count; ++k) {
      for (std::size_t j = 0; j < kBlock; ++j) sums[j] += static_cast<Uint128>(a[k][i + j]) * b[k][(i + j) >> shift];
    }
    for (std::size_t j = 0; j < kBlock; ++j) dst[i + j] = q.reduce128(sums[j]);
  }
}

void inner_products_runs(u64* const* dst, const u64* const* a, const u64* const* const* b, std::size_t outputs,
                         std::size_t count, std::size_t run, std::size_t n, const Modulus& q) {
  for (std::size_t o = 0; o < outputs; ++o) inner_product_runs(dst[o], a, b[o], count, run, n, q);
}

void add_runs(u64* dst, const u64* acc, const u64* a, std::size_t run, std::size_t n, const Modulus& q) {
  const u64 p = q.value();
  const int shift = std::countr_zero(run);
  for (std::size_t i = 0; i < n; ++i) dst[i] = reduce_once(acc[i] + a[i >> shift], p);
}

void permute(u64* dst, const u64* src, const std::uint32_t* index, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) dst[i] = src[index[i]];
}

void switch_modulus(u64* dst, const u64* src, u64 p, std::size_t n, const Modulus& q) {
  const u64 half = p / 2, minus_p = q.neg(q.reduce(p)), value = q.value(), barrett = q.barrett_hi();
  for (std::size_t i = 0; i < n; ++i) {
    const u64 x = src[i];
    const u64 r = reduce_once(x - mul_high(x, barrett) * value, value);
    const u64 negative = (half - x) >> 63;  // no branch: compilers make one of a comparison, which nobody can predict
    dst[i] = reduce_once(r + (minus_p & (0 - negative)), value);
  }
}

void base_convert(u64* const* dst, const u64* const* src, const u64* const* factors, const Modulus* const* q,
                  std::size_t targets, std::size_t count, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kBlock) {
    for (std::size_t t = 0; t < targets; ++t) {
      std::array<Uint128, kBlock> sums{};
      for (std::size_t k = 0; k < count; ++k) {
        for (std::size_t j = 0; j < kBlock; ++j) sums[j] += static_cast<Uint128>(src[k][i + j]) * factors[t][k];
      }
      for (std::size_t j = 0; j < kBlock; ++j) dst[t][i + j] = q[t]->reduce128(sums[j]);
    }
  }
}

void rounded_quotient(u64* dst, const u64* const* src, const double* reciprocal, std::size_t count, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kBlock) {
    std::array<double, kBlock> sums{};
    for (std::size_t k = 0; k < count; ++k) {
      for (std::size_t j = 0; j < kBlock; ++j) {
        sums[j] += static_cast<double>(static_cast<std::int64_t>(src[k][i + j])) * reciprocal[k];
      }
    }
    for (std::size_t j = 0; j < kBlock; ++j) dst[i + j] = static_cast<u64>(static_cast<std::int64_t>(sums[j] + 0.5));
  }
}

void divide_transformed(u64* dst, const u64* a, u64* b, u64 w, const NttTable& table) {
  ntt_forward(b, table);
  sub_mul_scalar(dst, a, b, w, table.n(), table.modulus());
}

void divide_switched(u64* dst, const u64* a, const u64* b, u64 p, u64 w, const NttTable& table, u64* scratch, bool) {
  switch_modulus(scratch, b, p, table.n(), table.modulus());
  divide_transformed(dst, a, scratch, w, table);
}

}  // namespace

const Kernels kPortableKernels = {
    .isa = Isa::portable,
    .name = "portable",
    .ntt_forward = ntt_forward,
    .ntt_inverse = ntt_inverse,
    .ntt_inverse_scaled = ntt_inverse_scaled,
    .divide_transformed = divide_transformed,
    .divide_switched = divide_switched,
    .add = add,
    .sub = sub,
    .neg = neg,
    .mul = mul,
    .mul_scalar = mul_scalar,
    .sub_mul_scalar = sub_mul_scalar,
    .inner_product = inner_product,
    .inner_product_runs = inner_product_runs,
    .inner_products_runs = inner_products_runs,
    .add_runs = add_runs,
    .permute = permute,
    .switch_modulus = switch_modulus,
    .base_convert = base_convert,
    .rounded_quotient = rounded_quotient,
    .fft_inverse = portable::fft_inverse,
    .fft_forward = portable::fft_forward,
    .largest_magnitude = portable::largest_magnitude,
    .residues_of_reals = portable::residues_of_reals,
};

}  // namespace thex::ring
