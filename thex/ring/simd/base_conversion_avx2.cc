// Base conversion in double precision. A product of 50-bit integers is split exactly into a multiple of 2^51 and a
// rest, by adding and subtracting a constant whose last place is 2^51; both halves are then summed without rounding.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx2.h"
#include "thex/ring/simd/avx2_field.h"

namespace thex::ring::avx2 {
namespace {

constexpr std::size_t kTile = 64;
constexpr std::size_t kTargets = 4;
// |rest| <= 2^50 and |multiple| <= 2^100: eight terms keep both sums exact in 53 bits.
constexpr std::size_t kTerms = 8;

template <std::size_t T>
THEX_INLINE void convert_tile(u64* const* dst, const double* tile, const double factors[][kMaxConversionSources],
                              const SumData* data, std::size_t count) {
  const Reals splitter = _mm256_set1_pd(0x1.8p103);
  for (std::size_t i = 0; i < kTile; i += 4) {
    Reals total[T];
    for (std::size_t t = 0; t < T; ++t) total[t] = _mm256_setzero_pd();
    for (std::size_t begin = 0; begin < count; begin += kTerms) {
      const std::size_t end = begin + kTerms < count ? begin + kTerms : count;
      Reals multiple[T], rest[T];
#pragma GCC unroll 4
      for (std::size_t t = 0; t < T; ++t) multiple[t] = rest[t] = _mm256_setzero_pd();
      for (std::size_t k = begin; k < end; ++k) {
        const Reals x = _mm256_load_pd(tile + k * kTile + i);
#pragma GCC unroll 4
        for (std::size_t t = 0; t < T; ++t) {
          const Reals f = _mm256_broadcast_sd(&factors[t][k]);
          const Reals high = _mm256_sub_pd(_mm256_fmadd_pd(x, f, splitter), splitter);
          multiple[t] = _mm256_add_pd(multiple[t], high);
          rest[t] = _mm256_add_pd(rest[t], _mm256_fmsub_pd(x, f, high));
        }
      }
#pragma GCC unroll 4
      for (std::size_t t = 0; t < T; ++t) {
        const Field field(data[t].q);
        // The multiples of 2^51 count at most 2^52: within 4 q only after a reduction.
        const Reals counted = field.reduce(_mm256_mul_pd(multiple[t], _mm256_set1_pd(0x1p-51)));
        const Reals folded = field.mul(counted, broadcast_real(data[t].two51));
        total[t] = field.reduce(_mm256_add_pd(_mm256_add_pd(folded, field.reduce(rest[t])), total[t]));
      }
    }
    for (std::size_t t = 0; t < T; ++t) store(dst[t] + i, Field(data[t].q).canonical(total[t]));
  }
}

}  // namespace

void base_convert(u64* const* dst, const u64* const* src, const u64* const* factors, const SumData* q,
                  std::size_t targets, std::size_t count, std::size_t n) {
  alignas(32) double tile[kMaxConversionSources * kTile];
  alignas(32) double real_factors[kTargets][kMaxConversionSources];
  for (std::size_t t = 0; t < targets; t += kTargets) {
    const std::size_t group = targets - t < kTargets ? targets - t : kTargets;
    for (std::size_t j = 0; j < group; ++j) {
      for (std::size_t k = 0; k < count; ++k) real_factors[j][k] = static_cast<double>(factors[t + j][k]);
    }
    for (std::size_t begin = 0; begin < n; begin += kTile) {
      for (std::size_t k = 0; k < count; ++k) {
        for (std::size_t i = 0; i < kTile; i += 4) {
          _mm256_store_pd(tile + k * kTile + i, to_reals(load(src[k] + begin + i)));
        }
      }
      u64* rows[kTargets];
      for (std::size_t j = 0; j < group; ++j) rows[j] = dst[t + j] + begin;
      switch (group) {
        case 1:
          convert_tile<1>(rows, tile, real_factors, q + t, count);
          break;
        case 2:
          convert_tile<2>(rows, tile, real_factors, q + t, count);
          break;
        case 3:
          convert_tile<3>(rows, tile, real_factors, q + t, count);
          break;
        default:
          convert_tile<4>(rows, tile, real_factors, q + t, count);
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
