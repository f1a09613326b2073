// The NTT in double precision with fused multiply-add, four lanes, two stages at a time, depth first so that the parts
// soon fit the first-level cache. Between the first and the last pass the polynomial's memory holds doubles.
//
// Sizes in units of q (see avx2_field.h). Forward: the upper operand of a pass is first reduced to 1/2; with k at its
// entry, two stages leave at most 1.88 + 0.52 k, whose fixed point is k = 3.9. Inverse: every sum is reduced; products
// of a difference of two values of size k are below 1/2 + 3k / 4, with fixed point k = 2. Both stay below 4q < 2^52.
#include <cstddef>
#include <cstdint>

#include "thex/ring/avx2.h"
#include "thex/ring/avx2_field.h"

namespace thex::ring::avx2 {
namespace {

THEX_INLINE void forward_butterfly(const Field& field, Reals& x, Reals& y, Reals w) {
  const Reals product = field.mul(y, w);
  y = _mm256_sub_pd(x, product);
  x = _mm256_add_pd(x, product);
}

THEX_INLINE void inverse_butterfly(const Field& field, Reals& x, Reals& y, Reals w) {
  const Reals difference = _mm256_sub_pd(x, y);
  x = field.reduce(_mm256_add_pd(x, y));
  y = field.mul(difference, w);
}

template <bool kFirst>
THEX_INLINE Reals load_input(const u64* p) {
  if constexpr (kFirst) return to_reals(load(p));
  return load_reals(p);
}

// One stage on two rows of t values: the first of an odd number of stages.
void forward_single(u64* a, std::size_t t, const NttData& data, const Field& field) {
  const Reals w = broadcast_real(data.roots[1]);
  for (std::size_t j = 0; j < t; j += 4) {
    Reals x = to_reals(load(a + j)), y = to_reals(load(a + t + j));
    forward_butterfly(field, x, y, w);
    store_reals(a + j, x);
    store_reals(a + t + j, y);
  }
}

template <bool kFirst>
THEX_INLINE void forward_double(u64* a, std::size_t t, std::size_t node, const NttData& data, const Field& field) {
  const Reals w = broadcast_real(data.roots[node]);
  const Reals w0 = broadcast_real(data.roots[2 * node]), w1 = broadcast_real(data.roots[2 * node + 1]);
  for (std::size_t j = 0; j < t; j += 4) {
    Reals v0 = load_input<kFirst>(a + j), v1 = load_input<kFirst>(a + t + j);
    Reals v2 = load_input<kFirst>(a + 2 * t + j), v3 = load_input<kFirst>(a + 3 * t + j);
    v0 = field.reduce(v0);
    v1 = field.reduce(v1);
    forward_butterfly(field, v0, v2, w);
    forward_butterfly(field, v1, v3, w);
    forward_butterfly(field, v0, v1, w0);
    forward_butterfly(field, v2, v3, w1);
    store_reals(a + j, v0);
    store_reals(a + t + j, v1);
    store_reals(a + 2 * t + j, v2);
    store_reals(a + 3 * t + j, v3);
  }
}

struct LaneFactors {
  Reals two, one;  // for distances 2 and 1 inside eight values
};

// `node` numbers the groups of eight values.
THEX_INLINE LaneFactors lane_factors(const u64* roots, std::size_t node) {
  const __m128i pair = _mm_load_si128(reinterpret_cast<const __m128i*>(roots + 2 * node));
  return {to_reals(_mm256_permute4x64_epi64(_mm256_castsi128_si256(pair), 0x50)), to_reals(load(roots + 4 * node))};
}

// The last four stages on 16 values.
THEX_INLINE void forward_last(u64* a, std::size_t node, const NttData& data, const Field& field) {
  forward_double<false>(a, 4, node, data, field);
#pragma GCC unroll 2
  for (std::size_t h = 0; h < 2; ++h) {
    u64* const p = a + 8 * h;
    const LaneFactors w = lane_factors(data.roots, 2 * node + h);
    Reals v0 = load_reals(p), v1 = load_reals(p + 4);
    Reals x = field.reduce(_mm256_permute2f128_pd(v0, v1, 0x20)), y = _mm256_permute2f128_pd(v0, v1, 0x31);
    forward_butterfly(field, x, y, w.two);
    v0 = _mm256_unpacklo_pd(x, y);
    v1 = _mm256_unpackhi_pd(x, y);
    forward_butterfly(field, v0, v1, w.one);
    const Reals low = _mm256_castsi256_pd(field.canonical(field.reduce(v0)));
    const Reals high = _mm256_castsi256_pd(field.canonical(field.reduce(v1)));
    x = _mm256_unpacklo_pd(low, high);
    y = _mm256_unpackhi_pd(low, high);
    store_reals(p, _mm256_permute2f128_pd(x, y, 0x20));
    store_reals(p + 4, _mm256_permute2f128_pd(x, y, 0x31));
  }
}

// All stages of a block of n = 16 * 4^k values.
void forward_tree(u64* a, std::size_t n, std::size_t node, const NttData& data, const Field& field) {
  if (n == 16) {
    forward_last(a, node, data, field);
    return;
  }
  forward_double<false>(a, n / 4, node, data, field);
  for (std::size_t i = 0; i < 4; ++i) forward_tree(a + i * n / 4, n / 4, 4 * node + i, data, field);
}

// kLast: the last stage of all, which multiplies by 1/N and stores integers in [0, q).
template <bool kLast>
THEX_INLINE void inverse_double(u64* a, std::size_t t, std::size_t node, const NttData& data, const Field& field) {
  const Reals w = broadcast_real(kLast ? data.last_root : data.roots[node]), scale = broadcast_real(data.n_inverse);
  const Reals w0 = broadcast_real(data.roots[2 * node]), w1 = broadcast_real(data.roots[2 * node + 1]);
  for (std::size_t j = 0; j < t; j += 4) {
    Reals v0 = load_reals(a + j), v1 = load_reals(a + t + j);
    Reals v2 = load_reals(a + 2 * t + j), v3 = load_reals(a + 3 * t + j);
    inverse_butterfly(field, v0, v1, w0);
    inverse_butterfly(field, v2, v3, w1);
    inverse_butterfly(field, v0, v2, w);
    inverse_butterfly(field, v1, v3, w);
    if constexpr (kLast) {
      store(a + j, field.canonical(field.mul(v0, scale)));
      store(a + t + j, field.canonical(field.mul(v1, scale)));
      store(a + 2 * t + j, field.canonical(field.reduce(v2)));
      store(a + 3 * t + j, field.canonical(field.reduce(v3)));
    } else {
      store_reals(a + j, v0);
      store_reals(a + t + j, v1);
      store_reals(a + 2 * t + j, v2);
      store_reals(a + 3 * t + j, v3);
    }
  }
}

// The last stage of an odd number of stages.
void inverse_single(u64* a, std::size_t t, const NttData& data, const Field& field) {
  const Reals w = broadcast_real(data.last_root), scale = broadcast_real(data.n_inverse);
  for (std::size_t j = 0; j < t; j += 4) {
    Reals x = load_reals(a + j), y = load_reals(a + t + j);
    inverse_butterfly(field, x, y, w);
    store(a + j, field.canonical(field.mul(x, scale)));
    store(a + t + j, field.canonical(field.reduce(y)));
  }
}

// The first four stages on 16 values in [0, q).
THEX_INLINE void inverse_first(u64* a, std::size_t node, const NttData& data, const Field& field) {
#pragma GCC unroll 2
  for (std::size_t h = 0; h < 2; ++h) {
    u64* const p = a + 8 * h;
    const LaneFactors w = lane_factors(data.roots, 2 * node + h);
    const Reals v0 = to_reals(load(p)), v1 = to_reals(load(p + 4));
    Reals x = _mm256_permute2f128_pd(v0, v1, 0x20), y = _mm256_permute2f128_pd(v0, v1, 0x31);
    Reals even = _mm256_unpacklo_pd(x, y), odd = _mm256_unpackhi_pd(x, y);
    inverse_butterfly(field, even, odd, w.one);
    x = _mm256_unpacklo_pd(even, odd);
    y = _mm256_unpackhi_pd(even, odd);
    inverse_butterfly(field, x, y, w.two);
    store_reals(p, _mm256_permute2f128_pd(x, y, 0x20));
    store_reals(p + 4, _mm256_permute2f128_pd(x, y, 0x31));
  }
  inverse_double<false>(a, 4, node, data, field);
}

void inverse_tree(u64* a, std::size_t n, std::size_t node, const NttData& data, const Field& field) {
  if (n == 16) {
    inverse_first(a, node, data, field);
    return;
  }
  for (std::size_t i = 0; i < 4; ++i) inverse_tree(a + i * n / 4, n / 4, 4 * node + i, data, field);
  inverse_double<false>(a, n / 4, node, data, field);
}

bool odd_stages(std::size_t n) { return __builtin_ctzll(n) % 2 != 0; }

}  // namespace

void ntt_forward(u64* a, const NttData& data) {
  const Field field(data.q);
  const std::size_t n = data.n;
  if (odd_stages(n)) {
    forward_single(a, n / 2, data, field);
    for (std::size_t i = 0; i < 2; ++i) forward_tree(a + i * n / 2, n / 2, 2 + i, data, field);
  } else {
    forward_double<true>(a, n / 4, 1, data, field);
    for (std::size_t i = 0; i < 4; ++i) forward_tree(a + i * n / 4, n / 4, 4 + i, data, field);
  }
}

void ntt_inverse(u64* a, const NttData& data) {
  const Field field(data.q);
  const std::size_t n = data.n;
  if (odd_stages(n)) {
    for (std::size_t i = 0; i < 2; ++i) inverse_tree(a + i * n / 2, n / 2, 2 + i, data, field);
    inverse_single(a, n / 2, data, field);
  } else {
    for (std::size_t i = 0; i < 4; ++i) inverse_tree(a + i * n / 4, n / 4, 4 + i, data, field);
    inverse_double<true>(a, n / 4, 1, data, field);
  }
}

}  // namespace thex::ring::avx2
