// Element-wise kernels and sums of products with 52-bit integer multiply-add.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx512ifma.h"
#include "thex/ring/simd/avx512ifma_field.h"

namespace thex::ring::ifma {
namespace {

THEX_INLINE Vector mask52(Vector x) { return _mm512_and_si512(x, broadcast(kMask52)); }
// [0, 2m) -> [0, m): x - m wraps to a huge number when x < m.
THEX_INLINE Vector reduce_once(Vector x, Vector m) { return _mm512_min_epu64(x, _mm512_sub_epi64(x, m)); }

// x * w in [0, 2q) for x < 2^52.
THEX_INLINE Vector mul_lazy(Vector x, Vector w, Vector w_quotient, Vector q) {
  const Vector quotient = _mm512_madd52hi_epu64(zero(), x, w_quotient);
  const Vector low = _mm512_madd52lo_epu64(zero(), x, w);
  return mask52(_mm512_sub_epi64(low, _mm512_madd52lo_epu64(zero(), quotient, q)));
}

// x < 2^52 -> [0, 2q).
THEX_INLINE Vector reduce_lazy(Vector x, Vector reciprocal, Vector q) {
  const Vector quotient = _mm512_madd52hi_epu64(zero(), x, reciprocal);
  return _mm512_sub_epi64(x, _mm512_madd52lo_epu64(zero(), quotient, q));
}

// How the second factor of a product is read: `run` equal values for each stored one.
enum class Spread { each, pairs, fours, whole };

template <Spread kSpread>
THEX_INLINE Vector load_spread(const u64* b, std::size_t i, int shift) {
  if constexpr (kSpread == Spread::each) return load(b + i);
  if constexpr (kSpread == Spread::pairs) {
    const __m256i x = _mm256_load_si256(reinterpret_cast<const __m256i*>(b + i / 2));
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3), _mm512_castsi256_si512(x));
  }
  if constexpr (kSpread == Spread::fours) {
    const __m128i x = _mm_load_si128(reinterpret_cast<const __m128i*>(b + i / 4));
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1), _mm512_castsi128_si512(x));
  }
  return broadcast(b[i >> shift]);
}

// Reduces high * 2^52 + low, both sums of up to 4096 words of 52 bits. kWide: high + carry may exceed 52 bits.
struct Folder {
  explicit THEX_INLINE Folder(const SumData& d)
      : q(broadcast(d.modulus.q)),
        minus_q(broadcast((kMask52 + 1) - d.modulus.q)),
        two_q(broadcast(2 * d.modulus.q)),
        four_q(broadcast(4 * d.modulus.q)),
        reciprocal(broadcast(d.modulus.reciprocal)),
        two52(broadcast(d.two52.value)),
        two52_quotient(broadcast(d.two52.quotient)),
        two104(broadcast(d.two104.value)),
        two104_quotient(broadcast(d.two104.quotient)) {}

  template <bool kWide>
  THEX_INLINE Vector fold(Vector low, Vector high) const {
    high = _mm512_add_epi64(high, _mm512_srli_epi64(low, 52));
    // high * 2^52 + low, [0, 4q): two quotients are summed before one multiplication by q takes them off. The
    // multiplier reads the low 52 bits of its factors.
    const Vector quotient = _mm512_madd52hi_epu64(_mm512_madd52hi_epu64(zero(), high, two52_quotient), low, reciprocal);
    Vector sum = mask52(_mm512_madd52lo_epu64(_mm512_madd52lo_epu64(low, high, two52), quotient, minus_q));
    if constexpr (kWide) {
      sum = _mm512_add_epi64(sum, mul_lazy(_mm512_srli_epi64(high, 52), two104, two104_quotient, q));
      sum = reduce_once(sum, four_q);
    }
    return reduce_once(reduce_once(sum, two_q), q);
  }

  const Vector q, minus_q, two_q, four_q, reciprocal, two52, two52_quotient, two104, two104_quotient;
};

constexpr std::size_t kAhead = 4096;  // bytes: a page, at which the processor's own prefetching stops
constexpr int kRows = 4;              // vectors accumulated together: eight independent chains

// second(k, i): the vector of second factors for term k at position i.
template <bool kWide, typename Second>
THEX_INLINE void sum_products(u64* dst, const u64* const* a, std::size_t count, std::size_t n, const SumData& q,
                              Second second) {
  const Folder folder(q);
  for (std::size_t i = 0; i < n; i += 8 * kRows) {
    Vector low[kRows], high[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) low[r] = high[r] = zero();
    for (std::size_t k = 0; k < count; ++k) {
      const u64* const row = a[k] + i;
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Vector x = load(row + 8 * r), y = second(k, i + 8 * static_cast<std::size_t>(r));
        low[r] = _mm512_madd52lo_epu64(low[r], x, y);
        high[r] = _mm512_madd52hi_epu64(high[r], x, y);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) store(dst + i + 8 * r, folder.fold<kWide>(low[r], high[r]));
  }
}

// The high sum has count * q^2 / 2^52 at most: below 2^52 for a handful of terms or for smaller primes.
bool is_wide(std::size_t count, const SumData& q) {
  return static_cast<double>(count) * static_cast<double>(q.modulus.q) * static_cast<double>(q.modulus.q) >= 0x1p103;
}

// dst[o] in kRows vectors from i on, of kOutputs sums whose second factors stand for all of them.
template <bool kWide, int kOutputs>
THEX_INLINE void sum_products_of_runs(u64* const* dst, const u64* const* a, const u64* const* const* b,
                                      std::size_t count, std::size_t i, int shift, const Folder& folder) {
  Vector low[kOutputs][kRows], high[kOutputs][kRows];
#pragma GCC unroll 2
  for (int o = 0; o < kOutputs; ++o)
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) low[o][r] = high[o][r] = zero();
  for (std::size_t k = 0; k < count; ++k) {
    const u64* const row = a[k] + i;
    Vector y[kOutputs];
#pragma GCC unroll 2
    for (int o = 0; o < kOutputs; ++o) y[o] = broadcast(b[o][k][i >> shift]);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const Vector x = load(row + 8 * r);
#pragma GCC unroll 2
      for (int o = 0; o < kOutputs; ++o) {
        low[o][r] = _mm512_madd52lo_epu64(low[o][r], x, y[o]);
        high[o][r] = _mm512_madd52hi_epu64(high[o][r], x, y[o]);
      }
    }
  }
#pragma GCC unroll 2
  for (int o = 0; o < kOutputs; ++o)
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) store(dst[o] + i + 8 * r, folder.fold<kWide>(low[o][r], high[o][r]));
}

// Two sums at a time: the first factors, which come from the second-level cache, are read half as often.
template <bool kWide>
void inner_products_of_runs(u64* const* dst, const u64* const* a, const u64* const* const* b, std::size_t outputs,
                            std::size_t count, int shift, std::size_t n, const SumData& q) {
  const Folder folder(q);
  constexpr std::size_t kStep = 8 * kRows;
  std::size_t o = 0;
  for (; o + 2 <= outputs; o += 2)
    for (std::size_t i = 0; i < n; i += kStep)
      sum_products_of_runs<kWide, 2>(dst + o, a, b + o, count, i, shift, folder);
  if (o == outputs) return;
  for (std::size_t i = 0; i < n; i += kStep) sum_products_of_runs<kWide, 1>(dst + o, a, b + o, count, i, shift, folder);
}

template <Spread kSpread>
void inner_product_spread(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, int shift,
                          std::size_t n, const SumData& q) {
  const auto second = [b, shift](std::size_t k, std::size_t i) {
    // The second factors of a key switch are keys, from memory; the first ones were just made.
    if constexpr (kSpread == Spread::each) _mm_prefetch(reinterpret_cast<const char*>(b[k] + i) + kAhead, _MM_HINT_T0);
    return load_spread<kSpread>(b[k], i, shift);
  };
  is_wide(count, q) ? sum_products<true>(dst, a, count, n, q, second)
                    : sum_products<false>(dst, a, count, n, q, second);
}

}  // namespace

void add(u64* dst, const u64* a, const u64* b, std::size_t n, u64 q) {
  const Vector p = broadcast(q);
  for (std::size_t i = 0; i < n; i += 8) store(dst + i, reduce_once(_mm512_add_epi64(load(a + i), load(b + i)), p));
}

void sub(u64* dst, const u64* a, const u64* b, std::size_t n, u64 q) {
  const Vector p = broadcast(q);
  for (std::size_t i = 0; i < n; i += 8) {
    const Vector d = _mm512_sub_epi64(load(a + i), load(b + i));
    store(dst + i, _mm512_min_epu64(d, _mm512_add_epi64(d, p)));
  }
}

void neg(u64* dst, const u64* a, std::size_t n, u64 q) {
  const Vector p = broadcast(q);
  for (std::size_t i = 0; i < n; i += 8) store(dst + i, reduce_once(_mm512_sub_epi64(p, load(a + i)), p));
}

void mul(u64* dst, const u64* a, const u64* b, std::size_t n, const ModulusData& m) {
  const Vector q = broadcast(m.q), two_q = broadcast(2 * m.q), factor = broadcast(m.quotient);
  const __m128i down = _mm_cvtsi32_si128(m.bits - 1), up = _mm_cvtsi32_si128(53 - m.bits);
  for (std::size_t i = 0; i < n; i += 8) {
    const Vector x = load(a + i), y = load(b + i);
    const Vector low = _mm512_madd52lo_epu64(zero(), x, y), high = _mm512_madd52hi_epu64(zero(), x, y);
    // top = floor(xy / 2^(bits-1)) < 2^(bits+1); quotient = hi52(top * floor(2^(bits+51) / q)) is at most 2 too small.
    const Vector top = _mm512_add_epi64(_mm512_sll_epi64(high, up), _mm512_srl_epi64(low, down));
    const Vector quotient = _mm512_madd52hi_epu64(zero(), top, factor);
    const Vector r = mask52(_mm512_sub_epi64(low, _mm512_madd52lo_epu64(zero(), quotient, q)));
    store(dst + i, reduce_once(reduce_once(r, two_q), q));
  }
}

void mul_scalar(u64* dst, const u64* a, Factor w, std::size_t n, u64 q) {
  const Vector p = broadcast(q), value = broadcast(w.value), quotient = broadcast(w.quotient);
  for (std::size_t i = 0; i < n; i += 8) store(dst + i, reduce_once(mul_lazy(load(a + i), value, quotient, p), p));
}

void sub_mul_scalar(u64* dst, const u64* a, const u64* b, Factor w, std::size_t n, u64 q) {
  const Vector p = broadcast(q), value = broadcast(w.value), quotient = broadcast(w.quotient);
  for (std::size_t i = 0; i < n; i += 8) {
    const Vector d = _mm512_sub_epi64(_mm512_add_epi64(load(a + i), p), load(b + i));
    store(dst + i, reduce_once(mul_lazy(d, value, quotient, p), p));
  }
}

void inner_product(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t run,
                   std::size_t n, const SumData& q) {
  const int shift = __builtin_ctzll(run);
  switch (shift) {
    case 0:
      inner_product_spread<Spread::each>(dst, a, b, count, shift, n, q);
      break;
    case 1:
      inner_product_spread<Spread::pairs>(dst, a, b, count, shift, n, q);
      break;
    case 2:
      inner_product_spread<Spread::fours>(dst, a, b, count, shift, n, q);
      break;
    default:
      if (run >= 8 * kRows) return inner_products(&dst, a, &b, 1, count, run, n, q);
      inner_product_spread<Spread::whole>(dst, a, b, count, shift, n, q);
      break;
  }
}

void inner_products(u64* const* dst, const u64* const* a, const u64* const* const* b, std::size_t outputs,
                    std::size_t count, std::size_t run, std::size_t n, const SumData& q) {
  if (run < 8 * kRows) {
    for (std::size_t o = 0; o < outputs; ++o) inner_product(dst[o], a, b[o], count, run, n, q);
    return;
  }
  const int shift = __builtin_ctzll(run);
  is_wide(count, q) ? inner_products_of_runs<true>(dst, a, b, outputs, count, shift, n, q)
                    : inner_products_of_runs<false>(dst, a, b, outputs, count, shift, n, q);
}

void add_runs(u64* dst, const u64* acc, const u64* a, std::size_t run, std::size_t n, u64 q) {
  const Vector p = broadcast(q);
  const int shift = __builtin_ctzll(run);
  const auto loop = [&](auto read) {
    for (std::size_t i = 0; i < n; i += 8) store(dst + i, reduce_once(_mm512_add_epi64(load(acc + i), read(i)), p));
  };
  switch (shift) {
    case 0:
      loop([&](std::size_t i) { return load_spread<Spread::each>(a, i, 0); });
      break;
    case 1:
      loop([&](std::size_t i) { return load_spread<Spread::pairs>(a, i, 1); });
      break;
    case 2:
      loop([&](std::size_t i) { return load_spread<Spread::fours>(a, i, 2); });
      break;
    default:
      loop([&](std::size_t i) { return load_spread<Spread::whole>(a, i, shift); });
      break;
  }
}

void permute(u64* dst, const u64* src, const std::uint32_t* index, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 8) {
    const __m256i wanted = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index + i));
    const std::uint32_t block = index[i] & ~std::uint32_t{7};
    // An automorphism maps aligned blocks of eight slots onto aligned blocks: one load and a shuffle instead of a
    // gather.
    const __m256i inside = _mm256_xor_si256(wanted, _mm256_set1_epi32(static_cast<int>(block)));
    if (_mm256_testz_si256(inside, _mm256_set1_epi32(~7))) {
      store(dst + i, _mm512_permutexvar_epi64(_mm512_cvtepu32_epi64(inside), load(src + block)));
    } else {
      store(dst + i, _mm512_i32gather_epi64(wanted, src, 8));
    }
  }
}

void switch_modulus(u64* dst, const u64* src, u64 p, u64 minus_p, std::size_t n, const ModulusData& m) {
  const Vector q = broadcast(m.q), reciprocal = broadcast(m.reciprocal), half = broadcast(p / 2);
  const Vector correction = broadcast(minus_p);
  for (std::size_t i = 0; i < n; i += 8) {
    const Vector x = load(src + i);
    const Vector r = reduce_once(reduce_lazy(x, reciprocal, q), q);
    const __mmask8 negative = _mm512_cmpgt_epu64_mask(x, half);
    store(dst + i, reduce_once(_mm512_mask_add_epi64(r, negative, r, correction), q));
  }
}

}  // namespace thex::ring::ifma
