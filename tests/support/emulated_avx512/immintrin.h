// The intrinsics that the AVX-512 IFMA kernels use, computed lane by lane in plain C++, so that these kernels run on
// any processor. Its folder stands before the compiler's headers where the kernels are compiled for tests
// (tests/emulated_avx512.cmake), and nowhere else.
//
// Each function is the operation of the Intel Intrinsics Guide and of the Intel 64 and IA-32 Architectures Software
// Developer's Manual, volume 2. Where the instruction would fault, on an address that is not aligned as it wants, it
// throws; where a result is undefined, the upper lanes of a widening cast, it is a pattern that is no valid residue.
#pragma once

#include <cstdint>

// Lanes from the lowest address on, the processor being little-endian.
struct alignas(16) __m128i {
  std::uint64_t lane[2];
};
struct alignas(16) __m128d {
  double lane[2];
};
struct alignas(32) __m256i {
  std::uint64_t lane[4];
};
struct alignas(64) __m512i {
  std::uint64_t lane[8];
};
struct alignas(64) __m512d {
  double lane[8];
};
using __mmask8 = std::uint8_t;

inline constexpr int _MM_HINT_T0 = 3, _MM_FROUND_TO_NEAREST_INT = 0x00, _MM_FROUND_NO_EXC = 0x08;

// Loads, stores, and what only concerns caches.
__m128i _mm_load_si128(const __m128i* p);
__m256i _mm256_load_si256(const __m256i* p);
__m256i _mm256_loadu_si256(const __m256i* p);
__m512i _mm512_load_si512(const void* p);
__m512d _mm512_load_pd(const void* p);
void _mm512_store_si512(void* p, __m512i v);
void _mm512_store_pd(void* p, __m512d v);
void _mm512_stream_si512(void* p, __m512i v);
// These two are built into some compilers, which let nobody define them.
#define _mm_prefetch(address, hint) (static_cast<void>(address), static_cast<void>(hint))
#define _mm_sfence() static_cast<void>(0)

// Eight quadwords at 32-bit signed indices times `scale` bytes.
__m512i _mm512_i32gather_epi64(__m256i index, const void* base, int scale);

// Constants, casts and conversions.
__m128i _mm_cvtsi32_si128(int x);
__m128i _mm_cvtsi64_si128(long long x);
__m128d _mm_castsi128_pd(__m128i v);
double _mm_cvtsd_f64(__m128d v);
__m256i _mm256_set1_epi32(int x);
__m512i _mm512_setzero_si512();
__m512d _mm512_setzero_pd();
__m512i _mm512_set1_epi64(long long x);
__m512d _mm512_set1_pd(double x);
__m512i _mm512_setr_epi64(long long e0, long long e1, long long e2, long long e3, long long e4, long long e5,
                          long long e6, long long e7);
__m512i _mm512_castpd_si512(__m512d v);
__m512d _mm512_castsi512_pd(__m512i v);
__m512i _mm512_castsi128_si512(__m128i v);
__m512i _mm512_castsi256_si512(__m256i v);
__m512i _mm512_broadcast_i64x2(__m128i v);
__m512i _mm512_broadcast_i64x4(__m256i v);
__m512i _mm512_cvtepu32_epi64(__m256i v);

// Integers.
__m256i _mm256_xor_si256(__m256i a, __m256i b);
int _mm256_testz_si256(__m256i a, __m256i b);
__m512i _mm512_and_si512(__m512i a, __m512i b);
__m512i _mm512_or_si512(__m512i a, __m512i b);
__m512i _mm512_xor_si512(__m512i a, __m512i b);
__m512i _mm512_add_epi64(__m512i a, __m512i b);
__m512i _mm512_sub_epi64(__m512i a, __m512i b);
__m512i _mm512_mask_add_epi64(__m512i source, __mmask8 mask, __m512i a, __m512i b);
__mmask8 _mm512_cmpgt_epu64_mask(__m512i a, __m512i b);
__m512i _mm512_min_epu64(__m512i a, __m512i b);
__m512i _mm512_max_epi64(__m512i a, __m512i b);
long long _mm512_reduce_max_epi64(__m512i v);
// Shifts by 64 and more give zero; a count in a register is its lower 64 bits.
__m512i _mm512_srli_epi64(__m512i v, unsigned count);
__m512i _mm512_srl_epi64(__m512i v, __m128i count);
__m512i _mm512_sll_epi64(__m512i v, __m128i count);
// a plus the lower or the upper 52 bits of the product of the lower 52 bits of x and y; the sum has 64 bits.
__m512i _mm512_madd52lo_epu64(__m512i a, __m512i x, __m512i y);
__m512i _mm512_madd52hi_epu64(__m512i a, __m512i x, __m512i y);

// Lanes moved. Of an index the lower three bits choose the lane, and the fourth b instead of a.
__m512i _mm512_permutexvar_epi64(__m512i index, __m512i a);
__m512i _mm512_permutex2var_epi64(__m512i a, __m512i index, __m512i b);
__m512i _mm512_unpacklo_epi64(__m512i a, __m512i b);
__m512i _mm512_unpackhi_epi64(__m512i a, __m512i b);
__m512d _mm512_unpacklo_pd(__m512d a, __m512d b);
__m512d _mm512_unpackhi_pd(__m512d a, __m512d b);
__m512i _mm512_shuffle_i64x2(__m512i a, __m512i b, int control);
__m512d _mm512_shuffle_f64x2(__m512d a, __m512d b, int control);

// Doubles, rounded to nearest. The fused ones round once.
__m512d _mm512_add_pd(__m512d a, __m512d b);
__m512d _mm512_sub_pd(__m512d a, __m512d b);
__m512d _mm512_mul_pd(__m512d a, __m512d b);
__m512d _mm512_fmadd_pd(__m512d a, __m512d b, __m512d c);
__m512d _mm512_fmsub_pd(__m512d a, __m512d b, __m512d c);
__m512d _mm512_fnmadd_pd(__m512d a, __m512d b, __m512d c);
// To a whole multiple of 2^-M, M in the upper four bits of the control: to nearest with ties to even, down, up or
// towards zero by its lower two bits, or as the processor is set by the third. Values too large to scale stay as they
// are.
__m512d _mm512_roundscale_pd(__m512d v, int control);
