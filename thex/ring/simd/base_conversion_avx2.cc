// Base conversion in double precision: exact sums of products (avx2_field.h), for four target primes at a time.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx2.h"
#include "thex/ring/simd/avx2_field.h"

namespace thex::ring::avx2 {
namespace {

constexpr std::size_t kTile = 64;
constexpr std::size_t kTargets = 4;
constexpr int kSourceBits = 50;

// Factors of up to four targets, their sums, and how many terms a sum takes.
struct Group {
  alignas(32) double factors[kTargets][kMaxConversionSources];
  const u64* q;
  std::size_t count, terms;

  Group(const u64* const* wanted, const u64* moduli, std::size_t targets, std::size_t sources)
      : q(moduli), count(sources), terms(kMaxConversionSources) {
    for (std::size_t t = 0; t < targets; ++t) {
      for (std::size_t k = 0; k < count; ++k) factors[t][k] = static_cast<double>(wanted[t][k]);
      const u64 fit = sum(t).terms;
      if (fit < terms) terms = fit;
    }
  }
  THEX_INLINE Sum sum(std::size_t t) const { return Sum(q[t], kSourceBits + bits_of(q[t])); }
};

template <std::size_t T>
THEX_INLINE void convert_tile(u64* const* dst, const double* tile, const Group& group) {
  const Sum sums[4] = {group.sum(0), group.sum(T > 1 ? 1 : 0), group.sum(T > 2 ? 2 : 0), group.sum(T > 3 ? 3 : 0)};
  for (std::size_t i = 0; i < kTile; i += 4) {
    Reals total[T];
    for (std::size_t begin = 0; begin < group.count; begin += group.terms) {
      const std::size_t end = begin + group.terms < group.count ? begin + group.terms : group.count;
      Reals high[T], rest[T];
#pragma GCC unroll 4
      for (std::size_t t = 0; t < T; ++t) high[t] = sums[t].start, rest[t] = _mm256_setzero_pd();
      for (std::size_t k = begin; k < end; ++k) {
        const Reals x = _mm256_load_pd(tile + k * kTile + i);
#pragma GCC unroll 4
        for (std::size_t t = 0; t < T; ++t) add_product(high[t], rest[t], x, _mm256_broadcast_sd(&group.factors[t][k]));
      }
#pragma GCC unroll 4
      for (std::size_t t = 0; t < T; ++t) {
        const Reals part = sums[t].reduce(high[t], rest[t]);
        total[t] = begin == 0 ? part : sums[t].field.reduce(_mm256_add_pd(total[t], part));
      }
    }
#pragma GCC unroll 4
    for (std::size_t t = 0; t < T; ++t) store(dst[t] + i, sums[t].field.canonical(total[t]));
  }
}

}  // namespace

void base_convert(u64* const* dst, const u64* const* src, const u64* const* factors, const u64* q, std::size_t targets,
                  std::size_t count, std::size_t n) {
  alignas(32) double tile[kMaxConversionSources * kTile];
  for (std::size_t t = 0; t < targets; t += kTargets) {
    const std::size_t size = targets - t < kTargets ? targets - t : kTargets;
    const Group group(factors + t, q + t, size, count);
    for (std::size_t begin = 0; begin < n; begin += kTile) {
      for (std::size_t k = 0; k < count; ++k) {
        for (std::size_t i = 0; i < kTile; i += 4) {
          _mm256_store_pd(tile + k * kTile + i, to_reals(load(src[k] + begin + i)));
        }
      }
      u64* rows[kTargets];
      for (std::size_t j = 0; j < size; ++j) rows[j] = dst[t + j] + begin;
      switch (size) {
        case 1:
          convert_tile<1>(rows, tile, group);
          break;
        case 2:
          convert_tile<2>(rows, tile, group);
          break;
        case 3:
          convert_tile<3>(rows, tile, group);
          break;
        default:
          convert_tile<4>(rows, tile, group);
          break;
      }
    }
  }
}

void rounded_quotient(u64* dst, const u64* const* src, const double* reciprocal, std::size_t count, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 4) {
    Reals sum = _mm256_setzero_pd();
    for (std::size_t k = 0; k < count; ++k) {
      sum = _mm256_fmadd_pd(to_reals(load(src[k] + i)), _mm256_set1_pd(reciprocal[k]), sum);
    }
    store(dst + i, to_ints(sum));
  }
}

}  // namespace thex::ring::avx2
