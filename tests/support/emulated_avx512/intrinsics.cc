// The emulated intrinsics: immintrin.h says what they are.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "tests/support/emulated_avx512/immintrin.h"

namespace {

using u64 = std::uint64_t;
__extension__ using Product = unsigned __int128;

constexpr u64 kMask52 = (u64{1} << 52) - 1;
constexpr u64 kUndefined = 0xfedcba9876543210;

template <typename Vector, typename Lane>
Vector each(Lane lane) {
  Vector r;
  for (std::size_t i = 0; i < sizeof r.lane / sizeof r.lane[0]; ++i) r.lane[i] = lane(i);
  return r;
}

template <typename Vector, std::size_t kAlignment = alignof(Vector)>
Vector read(const void* p) {
  if (reinterpret_cast<std::uintptr_t>(p) % kAlignment != 0) throw std::logic_error("a load that is not aligned");
  Vector r;
  std::memcpy(&r, p, sizeof r);
  return r;
}
template <typename Vector>
void write(void* p, const Vector& v) {
  if (reinterpret_cast<std::uintptr_t>(p) % alignof(Vector) != 0) {
    throw std::logic_error("a store that is not aligned");
  }
  std::memcpy(p, &v, sizeof v);
}
template <typename To, typename From>
To bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
template <typename From>
__m512i widened(const From& low) {
  __m512i r = each<__m512i>([](std::size_t) { return kUndefined; });
  std::memcpy(&r, &low, sizeof low);
  return r;
}

std::uint32_t half_lane(const __m256i& v, std::size_t i) {
  return static_cast<std::uint32_t>(v.lane[i / 2] >> (32 * (i % 2)));
}
std::int64_t as_signed(u64 x) { return static_cast<std::int64_t>(x); }

// Blocks of 128 bits, the lower two of the result from a, the upper two from b.
template <typename Vector>
Vector shuffle_blocks(const Vector& a, const Vector& b, int control) {
  return each<Vector>([&](std::size_t i) {
    const std::size_t block = static_cast<std::size_t>(control >> (i / 2 * 2)) & 3;
    return (i < 4 ? a : b).lane[2 * block + i % 2];
  });
}
// Of each block of 128 bits the lane `which` of a, then that of b.
template <typename Vector>
Vector unpack(const Vector& a, const Vector& b, std::size_t which) {
  return each<Vector>([&](std::size_t i) { return (i % 2 == 0 ? a : b).lane[i / 2 * 2 + which]; });
}

}  // namespace

// Loads, stores, and what only concerns caches.
__m128i _mm_load_si128(const __m128i* p) { return read<__m128i>(p); }
__m256i _mm256_load_si256(const __m256i* p) { return read<__m256i>(p); }
__m256i _mm256_loadu_si256(const __m256i* p) { return read<__m256i, 1>(p); }
__m512i _mm512_load_si512(const void* p) { return read<__m512i>(p); }
__m512d _mm512_load_pd(const void* p) { return read<__m512d>(p); }
void _mm512_store_si512(void* p, __m512i v) { write(p, v); }
void _mm512_store_pd(void* p, __m512d v) { write(p, v); }
void _mm512_stream_si512(void* p, __m512i v) { write(p, v); }

// Eight quadwords at 32-bit signed indices times `scale` bytes.
__m512i _mm512_i32gather_epi64(__m256i index, const void* base, int scale) {
  return each<__m512i>([&](std::size_t i) {
    const auto offset = static_cast<std::int32_t>(half_lane(index, i));
    u64 x = 0;
    std::memcpy(&x, static_cast<const char*>(base) + std::ptrdiff_t{offset} * scale, sizeof x);
    return x;
  });
}

// Constants, casts and conversions.
__m128i _mm_cvtsi32_si128(int x) { return {{static_cast<std::uint32_t>(x), 0}}; }
__m128i _mm_cvtsi64_si128(long long x) { return {{static_cast<std::uint64_t>(x), 0}}; }
__m128d _mm_castsi128_pd(__m128i v) { return bits<__m128d>(v); }
double _mm_cvtsd_f64(__m128d v) { return v.lane[0]; }
__m256i _mm256_set1_epi32(int x) {
  const std::uint64_t half = static_cast<std::uint32_t>(x);
  return each<__m256i>([=](std::size_t) { return half << 32 | half; });
}
__m512i _mm512_setzero_si512() { return {}; }
__m512d _mm512_setzero_pd() { return {}; }
__m512i _mm512_set1_epi64(long long x) {
  return each<__m512i>([=](std::size_t) { return static_cast<std::uint64_t>(x); });
}
__m512d _mm512_set1_pd(double x) {
  return each<__m512d>([=](std::size_t) { return x; });
}
__m512i _mm512_setr_epi64(long long e0, long long e1, long long e2, long long e3, long long e4, long long e5,
                          long long e6, long long e7) {
  const long long e[] = {e0, e1, e2, e3, e4, e5, e6, e7};
  return each<__m512i>([&](std::size_t i) { return static_cast<std::uint64_t>(e[i]); });
}
__m512i _mm512_castpd_si512(__m512d v) { return bits<__m512i>(v); }
__m512d _mm512_castsi512_pd(__m512i v) { return bits<__m512d>(v); }
__m512i _mm512_castsi128_si512(__m128i v) { return widened(v); }
__m512i _mm512_castsi256_si512(__m256i v) { return widened(v); }
__m512i _mm512_broadcast_i64x2(__m128i v) {
  return each<__m512i>([&](std::size_t i) { return v.lane[i % 2]; });
}
__m512i _mm512_broadcast_i64x4(__m256i v) {
  return each<__m512i>([&](std::size_t i) { return v.lane[i % 4]; });
}
__m512i _mm512_cvtepu32_epi64(__m256i v) {
  return each<__m512i>([&](std::size_t i) { return half_lane(v, i); });
}

// Integers.
__m256i _mm256_xor_si256(__m256i a, __m256i b) {
  return each<__m256i>([&](std::size_t i) { return a.lane[i] ^ b.lane[i]; });
}
int _mm256_testz_si256(__m256i a, __m256i b) {
  std::uint64_t common = 0;
  for (std::size_t i = 0; i < 4; ++i) common |= a.lane[i] & b.lane[i];
  return common == 0 ? 1 : 0;
}
__m512i _mm512_and_si512(__m512i a, __m512i b) {
  return each<__m512i>([&](std::size_t i) { return a.lane[i] & b.lane[i]; });
}
__m512i _mm512_or_si512(__m512i a, __m512i b) {
  return each<__m512i>([&](std::size_t i) { return a.lane[i] | b.lane[i]; });
}
__m512i _mm512_xor_si512(__m512i a, __m512i b) {
  return each<__m512i>([&](std::size_t i) { return a.lane[i] ^ b.lane[i]; });
}
__m512i _mm512_add_epi64(__m512i a, __m512i b) {
  return each<__m512i>([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
}
__m512i _mm512_sub_epi64(__m512i a, __m512i b) {
  return each<__m512i>([&](std::size_t i) { return a.lane[i] - b.lane[i]; });
}
__m512i _mm512_mask_add_epi64(__m512i source, __mmask8 mask, __m512i a, __m512i b) {
  return each<__m512i>([&](std::size_t i) { return (mask >> i) & 1 ? a.lane[i] + b.lane[i] : source.lane[i]; });
}
__mmask8 _mm512_cmpgt_epu64_mask(__m512i a, __m512i b) {
  unsigned mask = 0;
  for (std::size_t i = 0; i < 8; ++i) mask |= a.lane[i] > b.lane[i] ? 1u << i : 0u;
  return static_cast<__mmask8>(mask);
}
__m512i _mm512_min_epu64(__m512i a, __m512i b) {
  return each<__m512i>([&](std::size_t i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
__m512i _mm512_max_epi64(__m512i a, __m512i b) {
  return each<__m512i>(
      [&](std::size_t i) { return as_signed(a.lane[i]) > as_signed(b.lane[i]) ? a.lane[i] : b.lane[i]; });
}
long long _mm512_reduce_max_epi64(__m512i v) {
  long long largest = as_signed(v.lane[0]);
  for (const std::uint64_t x : v.lane) {
    if (as_signed(x) > largest) largest = as_signed(x);
  }
  return largest;
}
// Shifts by 64 and more give zero; a count in a register is its lower 64 bits.
__m512i _mm512_srli_epi64(__m512i v, unsigned count) {
  return each<__m512i>([&](std::size_t i) { return count > 63 ? 0 : v.lane[i] >> count; });
}
__m512i _mm512_srl_epi64(__m512i v, __m128i count) {
  return each<__m512i>([&](std::size_t i) { return count.lane[0] > 63 ? 0 : v.lane[i] >> count.lane[0]; });
}
__m512i _mm512_sll_epi64(__m512i v, __m128i count) {
  return each<__m512i>([&](std::size_t i) { return count.lane[0] > 63 ? 0 : v.lane[i] << count.lane[0]; });
}
// a plus the lower or the upper 52 bits of the product of the lower 52 bits of x and y; the sum has 64 bits.
__m512i _mm512_madd52lo_epu64(__m512i a, __m512i x, __m512i y) {
  return each<__m512i>([&](std::size_t i) {
    return a.lane[i] + (static_cast<u64>(Product{x.lane[i] & kMask52} * (y.lane[i] & kMask52)) & kMask52);
  });
}
__m512i _mm512_madd52hi_epu64(__m512i a, __m512i x, __m512i y) {
  return each<__m512i>([&](std::size_t i) {
    return a.lane[i] + static_cast<u64>(Product{x.lane[i] & kMask52} * (y.lane[i] & kMask52) >> 52);
  });
}

// Lanes moved. Of an index the lower three bits choose the lane, and the fourth b instead of a.
__m512i _mm512_permutexvar_epi64(__m512i index, __m512i a) {
  return each<__m512i>([&](std::size_t i) { return a.lane[index.lane[i] & 7]; });
}
__m512i _mm512_permutex2var_epi64(__m512i a, __m512i index, __m512i b) {
  return each<__m512i>([&](std::size_t i) { return (index.lane[i] & 8 ? b : a).lane[index.lane[i] & 7]; });
}
__m512i _mm512_unpacklo_epi64(__m512i a, __m512i b) { return unpack(a, b, 0); }
__m512i _mm512_unpackhi_epi64(__m512i a, __m512i b) { return unpack(a, b, 1); }
__m512d _mm512_unpacklo_pd(__m512d a, __m512d b) { return unpack(a, b, 0); }
__m512d _mm512_unpackhi_pd(__m512d a, __m512d b) { return unpack(a, b, 1); }
__m512i _mm512_shuffle_i64x2(__m512i a, __m512i b, int control) { return shuffle_blocks(a, b, control); }
__m512d _mm512_shuffle_f64x2(__m512d a, __m512d b, int control) { return shuffle_blocks(a, b, control); }

// Doubles, rounded to nearest. The fused ones round once.
__m512d _mm512_add_pd(__m512d a, __m512d b) {
  return each<__m512d>([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
}
__m512d _mm512_sub_pd(__m512d a, __m512d b) {
  return each<__m512d>([&](std::size_t i) { return a.lane[i] - b.lane[i]; });
}
__m512d _mm512_mul_pd(__m512d a, __m512d b) {
  return each<__m512d>([&](std::size_t i) { return a.lane[i] * b.lane[i]; });
}
__m512d _mm512_fmadd_pd(__m512d a, __m512d b, __m512d c) {
  return each<__m512d>([&](std::size_t i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
}
__m512d _mm512_fmsub_pd(__m512d a, __m512d b, __m512d c) {
  return each<__m512d>([&](std::size_t i) { return std::fma(a.lane[i], b.lane[i], -c.lane[i]); });
}
__m512d _mm512_fnmadd_pd(__m512d a, __m512d b, __m512d c) {
  return each<__m512d>([&](std::size_t i) { return std::fma(-a.lane[i], b.lane[i], c.lane[i]); });
}
// To a whole multiple of 2^-M, M in the upper four bits of the control: to nearest with ties to even, down, up or
// towards zero by its lower two bits, or as the processor is set by the third. Values too large to scale stay as they
// are.
__m512d _mm512_roundscale_pd(__m512d v, int control) {
  const int fraction = (control >> 4) & 15, mode = control & 4 ? 0 : control & 3;
  return each<__m512d>([&](std::size_t i) {
    const double scaled = std::ldexp(v.lane[i], fraction);
    if (std::isinf(scaled)) return v.lane[i];
    const double whole = mode == 0   ? std::nearbyint(scaled)
                         : mode == 1 ? std::floor(scaled)
                         : mode == 2 ? std::ceil(scaled)
                                     : std::trunc(scaled);
    return std::ldexp(whole, -fraction);
  });
}
