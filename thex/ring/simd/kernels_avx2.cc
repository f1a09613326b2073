// Element-wise kernels and sums of products in double precision.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx2.h"
#include "thex/ring/simd/avx2_field.h"

namespace thex::ring::avx2 {
namespace {

// Adds q to the negative lanes: (-q, q) -> [0, q).
THEX_INLINE Ints lift(Ints x, Ints q) {
  return _mm256_add_epi64(x, _mm256_and_si256(_mm256_cmpgt_epi64(_mm256_setzero_si256(), x), q));
}

// Four second factors at position i, each stored one standing for 2^shift.
THEX_INLINE Ints load_spread(const u64* b, std::size_t i, int shift) {
  if (shift == 1) {
    const __m128i pair = _mm_load_si128(reinterpret_cast<const __m128i*>(b + i / 2));
    return _mm256_permute4x64_epi64(_mm256_castsi128_si256(pair), 0x50);
  }
  return broadcast(b[i >> shift]);
}

template <typename Result>
THEX_INLINE void each(u64* dst, std::size_t n, Result result) {
  for (std::size_t i = 0; i < n; i += 4) store(dst + i, result(i));
}

constexpr int kRows = 2;  // vectors summed together: as many independent chains

// second(k, i, r): the vector of second factors for term k at position i + 4 r.
template <typename Second>
THEX_INLINE void sum_products(u64* dst, const u64* const* a, std::size_t count, std::size_t n, u64 q, Second second) {
  const Sum sum(q, 2 * bits_of(q));
  for (std::size_t i = 0; i < n; i += 4 * kRows) {
    Reals total[kRows];
    for (std::size_t begin = 0; begin < count; begin += sum.terms) {
      const std::size_t end = begin + sum.terms < count ? begin + sum.terms : count;
      Reals high[kRows], rest[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) high[r] = sum.start, rest[r] = _mm256_setzero_pd();
      for (std::size_t k = begin; k < end; ++k) {
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r)
          add_product(high[r], rest[r], to_reals(load(a[k] + i + 4 * r)), second(k, i, r));
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Reals part = sum.reduce(high[r], rest[r]);
        total[r] = begin == 0 ? part : sum.field.reduce(_mm256_add_pd(total[r], part));
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) store(dst + i + 4 * r, sum.field.canonical(total[r]));
  }
}

}  // namespace

void add(u64* dst, const u64* a, const u64* b, std::size_t n, u64 q) {
  const Ints p = broadcast(q);
  each(dst, n, [&](std::size_t i) { return lift(_mm256_sub_epi64(_mm256_add_epi64(load(a + i), load(b + i)), p), p); });
}

void sub(u64* dst, const u64* a, const u64* b, std::size_t n, u64 q) {
  const Ints p = broadcast(q);
  each(dst, n, [&](std::size_t i) { return lift(_mm256_sub_epi64(load(a + i), load(b + i)), p); });
}

void neg(u64* dst, const u64* a, std::size_t n, u64 q) {
  const Ints p = broadcast(q);
  each(dst, n, [&](std::size_t i) { return lift(_mm256_sub_epi64(_mm256_setzero_si256(), load(a + i)), p); });
}

void mul(u64* dst, const u64* a, const u64* b, std::size_t n, u64 q) {
  const Field field(q);
  each(dst, n, [&](std::size_t i) { return field.canonical(field.mul(to_reals(load(a + i)), to_reals(load(b + i)))); });
}

void mul_scalar(u64* dst, const u64* a, u64 w, std::size_t n, u64 q) {
  const Field field(q);
  const Factor factor = field.factor(broadcast_real(w));
  each(dst, n, [&](std::size_t i) { return field.canonical(field.mul(to_reals(load(a + i)), factor)); });
}

void sub_mul_scalar(u64* dst, const u64* a, const u64* b, u64 w, std::size_t n, u64 q) {
  const Field field(q);
  const Factor factor = field.factor(broadcast_real(w));
  each(dst, n, [&](std::size_t i) {
    const Reals difference = signed_to_reals(_mm256_sub_epi64(load(a + i), load(b + i)));
    return field.canonical(field.mul(difference, factor));
  });
}

void switch_modulus(u64* dst, const u64* src, u64 p, std::size_t n, u64 q) {
  const Field field(q);
  const Ints half = broadcast(p / 2);
  const Reals modulus = broadcast_real(p);
  each(dst, n, [&](std::size_t i) { return field.canonical(field.reduce(centred(load(src + i), half, modulus))); });
}

void inner_product(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t run,
                   std::size_t n, u64 q) {
  const int shift = __builtin_ctzll(run);
  if (run == 1) {
    sum_products(dst, a, count, n, q,
                 [b](std::size_t k, std::size_t i, int r) { return to_reals(load(b[k] + i + 4 * r)); });
  } else if (run >= 4 * kRows) {
    sum_products(dst, a, count, n, q,
                 [b, shift](std::size_t k, std::size_t i, int) { return broadcast_real(b[k][i >> shift]); });
  } else {
    sum_products(dst, a, count, n, q, [b, shift](std::size_t k, std::size_t i, int r) {
      return to_reals(load_spread(b[k], i + 4 * static_cast<std::size_t>(r), shift));
    });
  }
}

}  // namespace thex::ring::avx2
