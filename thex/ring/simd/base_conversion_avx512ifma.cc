// Base conversion with 52-bit integer multiply-add: a tile of source values is read once for four target primes.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx512ifma.h"
#include "thex/ring/simd/avx512ifma_field.h"

namespace thex::ring::ifma {
namespace {

constexpr std::size_t kTile =
    64;  // values of each source at a time: 24 sources fill a quarter of the first-level cache
constexpr std::size_t kTargets = 4;
constexpr std::size_t kPrefetch = 128;  // values ahead: many rows at once are more than the processor follows by itself

// Two vectors for each of T targets: 4 T independent chains of multiply-adds. source(k, i): values i .. i + 7 of source
// k.
template <std::size_t T, typename Source>
THEX_INLINE void convert_rows(u64* const* dst, Source source, const u64* const* factors, const SumData* data,
                              std::size_t count, std::size_t terms, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) {
    Vector low[2 * T], high[2 * T];
    THEX_UNROLL for (std::size_t j = 0; j < 2 * T; ++j) low[j] = high[j] = zero();
    for (std::size_t begin = 0; begin < count; begin += terms) {
      const std::size_t end = begin + terms < count ? begin + terms : count;
      for (std::size_t k = begin; k < end; ++k) {
        const Vector x0 = source(k, i), x1 = source(k, i + 8);
        THEX_UNROLL for (std::size_t t = 0; t < T; ++t) {
          const Vector f = broadcast(factors[t][k]);
          low[2 * t] = _mm512_madd52lo_epu64(low[2 * t], x0, f);
          high[2 * t] = _mm512_madd52hi_epu64(high[2 * t], x0, f);
          low[2 * t + 1] = _mm512_madd52lo_epu64(low[2 * t + 1], x1, f);
          high[2 * t + 1] = _mm512_madd52hi_epu64(high[2 * t + 1], x1, f);
        }
      }
      // high * 2^52 + low -> [0, 4q): the two quotients are summed before one multiplication by q takes them off. The
      // multiplier reads the low 52 bits of `low`; its carry goes to `high`, which stays below 2^52.
      THEX_UNROLL for (std::size_t t = 0; t < T; ++t) {
        const Vector reciprocal = broadcast(data[t].modulus.reciprocal), two52 = broadcast(data[t].two52.value);
        const Vector two52_quotient = broadcast(data[t].two52.quotient);
        const Vector minus_q = broadcast((kMask52 + 1) - data[t].modulus.q);
        THEX_UNROLL for (std::size_t j = 2 * t; j < 2 * t + 2; ++j) {
          const Vector h = _mm512_add_epi64(high[j], _mm512_srli_epi64(low[j], 52));
          const Vector quotient =
              _mm512_madd52hi_epu64(_mm512_madd52hi_epu64(zero(), h, two52_quotient), low[j], reciprocal);
          const Vector r = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(low[j], h, two52), quotient, minus_q);
          low[j] = _mm512_and_si512(r, broadcast(kMask52));
          high[j] = zero();
        }
      }
    }
    THEX_UNROLL for (std::size_t t = 0; t < T; ++t) {
      const Vector q = broadcast(data[t].modulus.q), two_q = broadcast(2 * data[t].modulus.q);
      THEX_UNROLL for (std::size_t j = 0; j < 2; ++j) {
        Vector r = low[2 * t + j];
        r = _mm512_min_epu64(r, _mm512_sub_epi64(r, two_q));
        store(dst[t] + i + 8 * j, _mm512_min_epu64(r, _mm512_sub_epi64(r, q)));
      }
    }
  }
}

template <typename Source>
THEX_INLINE void convert_group(u64* const* dst, Source source, const u64* const* factors, const SumData* data,
                               std::size_t targets, std::size_t count, std::size_t terms, std::size_t n) {
  switch (targets) {
    case 1:
      return convert_rows<1>(dst, source, factors, data, count, terms, n);
    case 2:
      return convert_rows<2>(dst, source, factors, data, count, terms, n);
    case 3:
      return convert_rows<3>(dst, source, factors, data, count, terms, n);
    default:
      return convert_rows<4>(dst, source, factors, data, count, terms, n);
  }
}

}  // namespace

void base_convert(u64* const* dst, const u64* const* src, const u64* const* factors, const SumData* q,
                  std::size_t targets, std::size_t count, std::size_t n) {
  std::size_t terms = kMaxConversionSources;  // products that a sum takes before its high half could reach 2^52
  for (std::size_t t = 0; t < targets; ++t) {
    const std::size_t fit = static_cast<std::size_t>(((u64{1} << 54) - 1) / q[t].modulus.q - 1);
    if (fit < terms) terms = fit;
  }
  if (targets <= kTargets) {
    const auto row = [src](std::size_t k, std::size_t i) {
      _mm_prefetch(reinterpret_cast<const char*>(src[k] + i + kPrefetch), _MM_HINT_T0);
      return load(src[k] + i);
    };
    return convert_group(dst, row, factors, q, targets, count, terms, n);
  }
  // More targets read the sources several times, from a compact copy: rows lie a power of two apart and would compete
  // for the same cache sets.
  alignas(64) u64 tile[kMaxConversionSources * kTile];
  const auto copy = [&tile](std::size_t k, std::size_t i) { return load(tile + k * kTile + i); };
  for (std::size_t begin = 0; begin < n; begin += kTile) {
    for (std::size_t k = 0; k < count; ++k) {
      for (std::size_t i = 0; i < kTile; i += 8) store(tile + k * kTile + i, load(src[k] + begin + i));
    }
    for (std::size_t t = 0; t < targets; t += kTargets) {
      u64* rows[kTargets];
      const std::size_t group = targets - t < kTargets ? targets - t : kTargets;
      for (std::size_t j = 0; j < group; ++j) rows[j] = dst[t + j] + begin;
      convert_group(rows, copy, factors + t, q + t, group, count, terms, kTile);
    }
  }
}

void rounded_quotient(u64* dst, const u64* const* src, const double* reciprocal, std::size_t count, std::size_t n) {
  // An integer below 2^52 under the exponent bits of 2^52 is the double 2^52 + x, both ways.
  const __m512d two52 = _mm512_set1_pd(0x1p52);
  const Vector exponent = _mm512_castpd_si512(two52);
  for (std::size_t i = 0; i < n; i += 8) {
    __m512d sum = _mm512_setzero_pd();
    for (std::size_t k = 0; k < count; ++k) {
      const __m512d x = _mm512_sub_pd(_mm512_castsi512_pd(_mm512_or_si512(load(src[k] + i), exponent)), two52);
      sum = _mm512_fmadd_pd(x, _mm512_set1_pd(reciprocal[k]), sum);
    }
    store(dst + i, _mm512_xor_si512(_mm512_castpd_si512(_mm512_add_pd(sum, two52)), exponent));
  }
}

}  // namespace thex::ring::ifma
