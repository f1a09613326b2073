// Element-wise kernels in double precision, and sums of products in 25-bit halves.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx2.h"
#include "thex/ring/simd/avx2_field.h"

namespace thex::ring::avx2 {
namespace {

constexpr u64 kMask25 = (u64{1} << 25) - 1;

THEX_INLINE Ints low25(Ints x) { return _mm256_and_si256(x, broadcast(kMask25)); }
THEX_INLINE Ints high25(Ints x) { return _mm256_srli_epi64(x, 25); }
THEX_INLINE Ints mul32(Ints a, Ints b) { return _mm256_mul_epu32(a, b); }
THEX_INLINE Ints sum(Ints a, Ints b) { return _mm256_add_epi64(a, b); }

// Adds q to the negative lanes: (-q, q) -> [0, q).
THEX_INLINE Ints lift(Ints x, Ints q) {
  return sum(x, _mm256_and_si256(_mm256_cmpgt_epi64(_mm256_setzero_si256(), x), q));
}

// Products of 50-bit words in three columns of weight 1, 2^25 and 2^50; each column of a term is below 2^51, so 64-bit
// lanes hold 2^13 terms.
struct Columns {
  THEX_INLINE void add_product(Ints a, Ints b_low, Ints b_high) {
    const Ints a_low = low25(a), a_high = high25(a);
    low = sum(low, mul32(a_low, b_low));
    middle = sum(middle, sum(mul32(a_low, b_high), mul32(a_high, b_low)));
    high = sum(high, mul32(a_high, b_high));
  }
  Ints low = _mm256_setzero_si256(), middle = low, high = low;
};

struct Folder {
  explicit THEX_INLINE Folder(const SumData& d)
      : field(d.q), two50(broadcast_real(d.two50)), two75(broadcast_real(d.two75)) {}

  THEX_INLINE Ints fold(const Columns& c) const {
    const Ints middle = sum(c.middle, high25(c.low));
    const Ints high = sum(c.high, high25(middle));
    const Reals bottom = to_reals(_mm256_or_si256(low25(c.low), _mm256_slli_epi64(low25(middle), 25)));  // < 2^50
    const Reals upper = field.mul(to_reals(low25(high)), two50), top = field.mul(to_reals(high25(high)), two75);
    return field.canonical(field.reduce(_mm256_add_pd(_mm256_add_pd(upper, top), bottom)));
  }

  const Field field;
  const Reals two50, two75;
};

// Four second factors at position i, each stored one standing for 2^shift.
THEX_INLINE Ints load_spread(const u64* b, std::size_t i, int shift) {
  if (shift == 0) return load(b + i);
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

}  // namespace

void add(u64* dst, const u64* a, const u64* b, std::size_t n, u64 q) {
  const Ints p = broadcast(q);
  each(dst, n, [&](std::size_t i) { return lift(_mm256_sub_epi64(sum(load(a + i), load(b + i)), p), p); });
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
  each(dst, n, [&](std::size_t i) {
    const Ints x = load(src + i);
    const Reals negative = _mm256_castsi256_pd(_mm256_cmpgt_epi64(x, half));
    const Reals centred = _mm256_sub_pd(to_reals(x), _mm256_and_pd(negative, modulus));
    return field.canonical(field.reduce(centred));
  });
}

void inner_product(u64* dst, const u64* const* a, const u64* const* b, std::size_t count, std::size_t run,
                   std::size_t n, const SumData& q) {
  const Folder folder(q);
  const int shift = __builtin_ctzll(run);
  for (std::size_t i = 0; i < n; i += 8) {
    Columns first, second;
    for (std::size_t k = 0; k < count; ++k) {
      const Ints y0 = load_spread(b[k], i, shift), y1 = load_spread(b[k], i + 4, shift);
      first.add_product(load(a[k] + i), low25(y0), high25(y0));
      second.add_product(load(a[k] + i + 4), low25(y1), high25(y1));
    }
    store(dst + i, folder.fold(first));
    store(dst + i + 4, folder.fold(second));
  }
}

}  // namespace thex::ring::avx2
