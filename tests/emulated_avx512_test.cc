// The emulated intrinsics against answers worked out from Intel's definitions: what the kernels' results rest on where
// the processor lacks the instructions (support/emulated_avx512/immintrin.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <vector>

#include "tests/support/emulated_avx512/immintrin.h"

namespace {

using u64 = std::uint64_t;

constexpr u64 kMask52 = (u64{1} << 52) - 1;

std::vector<u64> lanes(const __m512i& v) { return {std::begin(v.lane), std::end(v.lane)}; }
std::vector<double> lanes(const __m512d& v) { return {std::begin(v.lane), std::end(v.lane)}; }
std::vector<u64> all(u64 x) { return std::vector<u64>(8, x); }

__m512i vector(u64 x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
const __m512i kA = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), kB = _mm512_setr_epi64(8, 9, 10, 11, 12, 13, 14, 15);

__m512d reals(const std::vector<double>& x) {
  __m512d v = {};
  std::copy(x.begin(), x.end(), v.lane);
  return v;
}

TEST(EmulatedAvx512, MultiplyAddTakesTheLower52BitsOfItsFactorsAnd64OfTheSum) {
  // (2^52 - 1)^2 = (2^52 - 2) 2^52 + 1.
  EXPECT_EQ(lanes(_mm512_madd52lo_epu64(vector(5), vector(kMask52), vector(kMask52))), all(6));
  EXPECT_EQ(lanes(_mm512_madd52hi_epu64(vector(5), vector(kMask52), vector(kMask52))), all(kMask52 - 1 + 5));
  // Bits above are not read: 2^52 + 3 is 3, and -1 is 2^52 - 1.
  EXPECT_EQ(lanes(_mm512_madd52lo_epu64(vector(0), vector(kMask52 + 4), vector(7))), all(21));
  EXPECT_EQ(lanes(_mm512_madd52hi_epu64(vector(0), vector(kMask52 + 4), vector(kMask52))), all(2));
  EXPECT_EQ(lanes(_mm512_madd52lo_epu64(vector(0), vector(~u64{0}), vector(2))), all(kMask52 - 1));
  EXPECT_EQ(lanes(_mm512_madd52hi_epu64(vector(0), vector(~u64{0}), vector(2))), all(1));
  // The sum is not cut to 52 bits, and wraps at 64.
  EXPECT_EQ(lanes(_mm512_madd52lo_epu64(vector(~u64{0}), vector(3), vector(1))), all(2));
  EXPECT_EQ(lanes(_mm512_madd52lo_epu64(vector(kMask52), vector(1), vector(1))), all(kMask52 + 1));
}

TEST(EmulatedAvx512, IntegersAddCompareAndShift) {
  EXPECT_EQ(lanes(_mm512_add_epi64(vector(~u64{0}), vector(3))), all(2));
  EXPECT_EQ(lanes(_mm512_sub_epi64(vector(2), vector(3))), all(~u64{0}));
  const __m512i big = vector(u64{1} << 63), one = vector(1);  // the least number with a sign
  EXPECT_EQ(lanes(_mm512_min_epu64(big, one)), all(1));
  EXPECT_EQ(lanes(_mm512_max_epi64(big, one)), all(1));
  EXPECT_EQ(_mm512_reduce_max_epi64(_mm512_sub_epi64(vector(0), kB)), -8);
  EXPECT_EQ(_mm512_reduce_max_epi64(kA), 7);
  EXPECT_EQ(_mm512_cmpgt_epu64_mask(big, one), 0xff);
  EXPECT_EQ(_mm512_cmpgt_epu64_mask(kA, vector(4)), 0xe0);
  EXPECT_EQ(lanes(_mm512_mask_add_epi64(kB, 0x81, kA, vector(100))),
            (std::vector<u64>{100, 9, 10, 11, 12, 13, 14, 107}));
  EXPECT_EQ(lanes(_mm512_srli_epi64(vector(~u64{0}), 52)), all(0xfff));
  EXPECT_EQ(lanes(_mm512_srli_epi64(vector(~u64{0}), 64)), all(0));
  EXPECT_EQ(lanes(_mm512_srl_epi64(vector(~u64{0}), _mm_cvtsi32_si128(63))), all(1));
  EXPECT_EQ(lanes(_mm512_srl_epi64(vector(~u64{0}), _mm_cvtsi32_si128(64))), all(0));
  EXPECT_EQ(lanes(_mm512_sll_epi64(vector(3), _mm_cvtsi32_si128(63))), all(u64{1} << 63));
  EXPECT_EQ(lanes(_mm512_sll_epi64(vector(3), _mm_cvtsi64_si128(-1))), all(0));
  EXPECT_EQ(lanes(_mm512_and_si512(vector(6), vector(3))), all(2));
  EXPECT_EQ(lanes(_mm512_or_si512(vector(6), vector(3))), all(7));
  EXPECT_EQ(lanes(_mm512_xor_si512(vector(6), vector(3))), all(5));
}

TEST(EmulatedAvx512, LanesMove) {
  // Only four bits of an index count for two sources, three for one.
  const __m512i index = _mm512_setr_epi64(0, 8, 7, 15, 16, 25, -1, 3);
  EXPECT_EQ(lanes(_mm512_permutex2var_epi64(kA, index, kB)), (std::vector<u64>{0, 8, 7, 15, 0, 9, 15, 3}));
  EXPECT_EQ(lanes(_mm512_permutexvar_epi64(index, kA)), (std::vector<u64>{0, 0, 7, 7, 0, 1, 7, 3}));
  EXPECT_EQ(lanes(_mm512_unpacklo_epi64(kA, kB)), (std::vector<u64>{0, 8, 2, 10, 4, 12, 6, 14}));
  EXPECT_EQ(lanes(_mm512_unpackhi_epi64(kA, kB)), (std::vector<u64>{1, 9, 3, 11, 5, 13, 7, 15}));
  EXPECT_EQ(lanes(_mm512_shuffle_i64x2(kA, kB, 0xd8)), (std::vector<u64>{0, 1, 4, 5, 10, 11, 14, 15}));
  EXPECT_EQ(lanes(_mm512_shuffle_i64x2(kA, kB, 0x1b)), (std::vector<u64>{6, 7, 4, 5, 10, 11, 8, 9}));
  const __m512d a = reals({0, 1, 2, 3, 4, 5, 6, 7}), b = reals({8, 9, 10, 11, 12, 13, 14, 15});
  EXPECT_EQ(lanes(_mm512_unpacklo_pd(a, b)), (std::vector<double>{0, 8, 2, 10, 4, 12, 6, 14}));
  EXPECT_EQ(lanes(_mm512_unpackhi_pd(a, b)), (std::vector<double>{1, 9, 3, 11, 5, 13, 7, 15}));
  EXPECT_EQ(lanes(_mm512_shuffle_f64x2(a, b, 0xd8)), (std::vector<double>{0, 1, 4, 5, 10, 11, 14, 15}));
}

TEST(EmulatedAvx512, MemoryIsReadAndWrittenAsItLies) {
  alignas(64) u64 words[16];
  for (u64 i = 0; i < 16; ++i) words[i] = 100 + i;
  const auto* const bytes = reinterpret_cast<const char*>(words);
  EXPECT_EQ(lanes(_mm512_load_si512(words + 8))[7], 115u);
  EXPECT_EQ(lanes(_mm512_broadcast_i64x2(_mm_load_si128(reinterpret_cast<const __m128i*>(words + 2)))),
            (std::vector<u64>{102, 103, 102, 103, 102, 103, 102, 103}));
  EXPECT_EQ(lanes(_mm512_broadcast_i64x4(_mm256_load_si256(reinterpret_cast<const __m256i*>(words + 4)))),
            (std::vector<u64>{104, 105, 106, 107, 104, 105, 106, 107}));
  // Halves of words: indices and their widening to 64 bits, without a sign there and with one in a gather.
  alignas(32) const std::int32_t indices[9] = {9, 0, 1, -1, 7, -1, 2, 3, 0};
  const __m256i wanted = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(indices + 1));
  EXPECT_EQ(lanes(_mm512_cvtepu32_epi64(wanted)), (std::vector<u64>{0, 1, 0xffffffff, 7, 0xffffffff, 2, 3, 0}));
  EXPECT_EQ(lanes(_mm512_i32gather_epi64(wanted, words + 8, 8)),
            (std::vector<u64>{108, 109, 107, 115, 107, 110, 111, 108}));
  EXPECT_EQ(lanes(_mm512_i32gather_epi64(wanted, bytes + 64, 4))[1], u64{109} << 32) << "halves of words 8 and 9";
  const __m256i even = _mm256_xor_si256(wanted, _mm256_set1_epi32(1));
  EXPECT_EQ(lanes(_mm512_cvtepu32_epi64(even)), (std::vector<u64>{1, 0, 0xfffffffe, 6, 0xfffffffe, 3, 2, 1}));
  EXPECT_EQ(_mm256_testz_si256(wanted, _mm256_set1_epi32(0)), 1);
  EXPECT_EQ(_mm256_testz_si256(wanted, _mm256_set1_epi32(8)), 0);
  _mm512_store_si512(words, kB);
  _mm512_stream_si512(words + 8, kA);
  EXPECT_EQ(words[7], 15u);
  EXPECT_EQ(words[8], 0u);
  // What would be a fault of the processor.
  EXPECT_THROW(_mm512_load_si512(words + 4), std::logic_error);
  EXPECT_THROW(_mm512_store_si512(words + 4, kA), std::logic_error);
  EXPECT_THROW(_mm512_stream_si512(words + 4, kA), std::logic_error);
  EXPECT_THROW(_mm512_load_pd(words + 1), std::logic_error);
  EXPECT_THROW(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes + 8)), std::logic_error);
  EXPECT_THROW(_mm256_load_si256(reinterpret_cast<const __m256i*>(bytes + 16)), std::logic_error);
}

TEST(EmulatedAvx512, AWideningCastLeavesUpperLanesUndefined) {
  const __m512i wide = _mm512_castsi128_si512(_mm_cvtsi64_si128(7));
  EXPECT_EQ(wide.lane[0], 7u);
  EXPECT_EQ(wide.lane[1], 0u);
  EXPECT_GT(wide.lane[2], kMask52) << "no residue, so that a kernel that uses it is found";
  EXPECT_GT(_mm512_castsi256_si512(_mm256_set1_epi32(0)).lane[4], kMask52);
}

TEST(EmulatedAvx512, DoublesAreFusedWithOneRounding) {
  const double x = 1 + 0x1p-52;  // x^2 = 1 + 2^-51 + 2^-104
  EXPECT_EQ(lanes(_mm512_fmsub_pd(_mm512_set1_pd(x), _mm512_set1_pd(x), _mm512_set1_pd(1)))[3], 0x1p-51 + 0x1p-104);
  EXPECT_EQ(lanes(_mm512_fmadd_pd(_mm512_set1_pd(x), _mm512_set1_pd(x), _mm512_set1_pd(-1)))[3], 0x1p-51 + 0x1p-104);
  EXPECT_EQ(lanes(_mm512_fnmadd_pd(_mm512_set1_pd(x), _mm512_set1_pd(x), _mm512_set1_pd(1)))[3], -0x1p-51 - 0x1p-104);
  EXPECT_EQ(lanes(_mm512_mul_pd(_mm512_set1_pd(x), _mm512_set1_pd(x)))[3], 1 + 0x1p-51);
  EXPECT_EQ(lanes(_mm512_castpd_si512(_mm512_set1_pd(0x1p52)))[0], u64{0x433} << 52);
  EXPECT_EQ(lanes(_mm512_castsi512_pd(vector(u64{0x433} << 52)))[0], 0x1p52);
  EXPECT_EQ(_mm_cvtsd_f64(_mm_castsi128_pd(_mm_cvtsi64_si128(0x3ff0000000000000))), 1.0);
}

TEST(EmulatedAvx512, RoundingFollowsItsControl) {
  const __m512d x = reals({0.5, 1.5, -0.5, -2.5, 2.25, -2.75, 0x1p60, std::numeric_limits<double>::infinity()});
  const double huge = 0x1p60, infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(lanes(_mm512_roundscale_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)),
            (std::vector<double>{0, 2, -0.0, -2, 2, -3, huge, infinity}));
  EXPECT_EQ(lanes(_mm512_roundscale_pd(x, 1)), (std::vector<double>{0, 1, -1, -3, 2, -3, huge, infinity}));
  EXPECT_EQ(lanes(_mm512_roundscale_pd(x, 2)), (std::vector<double>{1, 2, 0, -2, 3, -2, huge, infinity}));
  EXPECT_EQ(lanes(_mm512_roundscale_pd(x, 3)), (std::vector<double>{0, 1, 0, -2, 2, -2, huge, infinity}));
  // To multiples of a half.
  EXPECT_EQ(lanes(_mm512_roundscale_pd(x, 0x10)), (std::vector<double>{0.5, 1.5, -0.5, -2.5, 2, -3, huge, infinity}));
  EXPECT_TRUE(std::signbit(lanes(_mm512_roundscale_pd(x, 0))[2]));
}

}  // namespace
