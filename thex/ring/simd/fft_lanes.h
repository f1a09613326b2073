// Internal: the complex transform of fft.h on vectors of doubles, written once for every instruction set. Included only
// by fft_avx2.cc and fft_avx512.cc; everything here is local to the file that includes it.
//
// `L` describes the vectors: kLanes, Vector, load, store, broadcast, add, sub, mul, fmadd (a b + c), fmsub (a b - c),
// fnmadd (c - a b), transpose of kLanes vectors.
//
// The transforms need bits reversed once. The inverse leaves that, with the last log2(kLanes) stages, to tile_inverse:
// kLanes vectors from rows h / kLanes apart are transposed, so that the stages run between vectors, and stored where
// the reversal wants them. The forward transform begins with the mirror image. No pass touches part of a cache line
// only.
#pragma once

#include "thex/base/sanitizers.h"
#include "thex/ring/fft.h"

#define THEX_FFT_INLINE inline __attribute__((always_inline))
#if THEX_ADDRESS_SANITIZER || THEX_THREAD_SANITIZER
#define THEX_FFT_UNROLL  // instrumented loops cannot be unrolled
#elif defined(__clang__)
#define THEX_FFT_UNROLL _Pragma("unroll")
#else
#define THEX_FFT_UNROLL _Pragma("GCC unroll 16")
#endif

namespace thex::ring {
namespace {

// Points that stay in the first-level cache with their factors (16 bytes each, and as much again).
constexpr std::size_t kFftBlock = 1024;

template <typename L>
struct Point {
  typename L::Vector re, im;
};

template <typename L>
THEX_FFT_INLINE Point<L> load_point(const double* re, const double* im) {
  return {L::load(re), L::load(im)};
}
template <typename L>
THEX_FFT_INLINE void store_point(double* re, double* im, const Point<L>& p) {
  L::store(re, p.re);
  L::store(im, p.im);
}
template <typename L>
THEX_FFT_INLINE Point<L> operator+(const Point<L>& a, const Point<L>& b) {
  return {L::add(a.re, b.re), L::add(a.im, b.im)};
}
template <typename L>
THEX_FFT_INLINE Point<L> operator-(const Point<L>& a, const Point<L>& b) {
  return {L::sub(a.re, b.re), L::sub(a.im, b.im)};
}
// a + i b and a - i b.
template <typename L>
THEX_FFT_INLINE Point<L> plus_i(const Point<L>& a, const Point<L>& b) {
  return {L::sub(a.re, b.im), L::add(a.im, b.re)};
}
template <typename L>
THEX_FFT_INLINE Point<L> minus_i(const Point<L>& a, const Point<L>& b) {
  return {L::add(a.re, b.im), L::sub(a.im, b.re)};
}
template <typename L>
THEX_FFT_INLINE Point<L> times(const Point<L>& a, const Point<L>& w) {
  return {L::fmsub(a.re, w.re, L::mul(a.im, w.im)), L::fmadd(a.re, w.im, L::mul(a.im, w.re))};
}
// a / w for |w| = 1.
template <typename L>
THEX_FFT_INLINE Point<L> over(const Point<L>& a, const Point<L>& w) {
  return {L::fmadd(a.re, w.re, L::mul(a.im, w.im)), L::fmsub(a.im, w.re, L::mul(a.re, w.im))};
}

// Stages 2m and m (m >= kLanes) on `count` points.
template <typename L>
THEX_FFT_INLINE void inverse_radix4(double* re, double* im, std::size_t count, std::size_t m, const FftTables& t) {
  for (std::size_t block = 0; block < count; block += 4 * m) {
    for (std::size_t j = 0; j < m; j += L::kLanes) {
      double* const r = re + block + j;
      double* const i = im + block + j;
      const Point<L> a0 = load_point<L>(r, i), a1 = load_point<L>(r + m, i + m);
      const Point<L> a2 = load_point<L>(r + 2 * m, i + 2 * m), a3 = load_point<L>(r + 3 * m, i + 3 * m);
      const Point<L> s0 = a0 + a2, s1 = a1 + a3, d0 = a0 - a2, d1 = a1 - a3;
      store_point<L>(r, i, s0 + s1);
      store_point<L>(r + m, i + m, over(s0 - s1, load_point<L>(t.cosines + m + j, t.sines + m + j)));
      store_point<L>(r + 2 * m, i + 2 * m,
                     over(plus_i(d0, d1), load_point<L>(t.cosines + 2 * m + j, t.sines + 2 * m + j)));
      store_point<L>(r + 3 * m, i + 3 * m,
                     over(minus_i(d0, d1), load_point<L>(t.cube_cosines + m + j, t.cube_sines + m + j)));
    }
  }
}

template <typename L>
THEX_FFT_INLINE void forward_radix4(double* re, double* im, std::size_t count, std::size_t m, const FftTables& t) {
  for (std::size_t block = 0; block < count; block += 4 * m) {
    for (std::size_t j = 0; j < m; j += L::kLanes) {
      double* const r = re + block + j;
      double* const i = im + block + j;
      const Point<L> c0 = load_point<L>(r, i);
      const Point<L> c1 = times(load_point<L>(r + m, i + m), load_point<L>(t.cosines + m + j, t.sines + m + j));
      const Point<L> c2 =
          times(load_point<L>(r + 2 * m, i + 2 * m), load_point<L>(t.cosines + 2 * m + j, t.sines + 2 * m + j));
      const Point<L> c3 =
          times(load_point<L>(r + 3 * m, i + 3 * m), load_point<L>(t.cube_cosines + m + j, t.cube_sines + m + j));
      const Point<L> b0 = c0 + c1, b1 = c0 - c1, b2 = c2 + c3, b3 = c2 - c3;
      store_point<L>(r, i, b0 + b2);
      store_point<L>(r + m, i + m, minus_i(b1, b3));
      store_point<L>(r + 2 * m, i + 2 * m, b0 - b2);
      store_point<L>(r + 3 * m, i + 3 * m, plus_i(b1, b3));
    }
  }
}

// One stage, where the number of stages left is odd.
template <typename L, bool kForward>
THEX_FFT_INLINE void radix2(double* re, double* im, std::size_t count, std::size_t half, const FftTables& t) {
  for (std::size_t block = 0; block < count; block += 2 * half) {
    for (std::size_t j = 0; j < half; j += L::kLanes) {
      double* const r = re + block + j;
      double* const i = im + block + j;
      const Point<L> w = load_point<L>(t.cosines + half + j, t.sines + half + j);
      const Point<L> u = load_point<L>(r, i), v = load_point<L>(r + half, i + half);
      if constexpr (kForward) {
        const Point<L> product = times(v, w);
        store_point<L>(r, i, u + product);
        store_point<L>(r + half, i + half, u - product);
      } else {
        store_point<L>(r, i, u + v);
        store_point<L>(r + half, i + half, over(u - v, w));
      }
    }
  }
}

template <std::size_t kLanes>
constexpr std::size_t reverse_lane(std::size_t x) {
  std::size_t r = 0;
  for (std::size_t bit = 1; bit < kLanes; bit *= 2, x >>= 1) r = 2 * r + (x & 1);
  return r;
}

// The next index in bit-reversed counting below `size`.
THEX_FFT_INLINE std::size_t reversed_successor(std::size_t index, std::size_t size) {
  std::size_t bit = size >> 1;
  for (; index & bit; bit >>= 1) index ^= bit;
  return index | bit;
}

// The stages below kLanes, forward or inverse, between the vectors of a transposed tile.
template <typename L, bool kForward>
THEX_FFT_INLINE void tile_stages(Point<L> (&c)[L::kLanes], const FftTables& t) {
  constexpr int kStages = L::kLanes == 8 ? 3 : 2;
  THEX_FFT_UNROLL for (int s = 0; s < kStages; ++s) {
    const std::size_t half = kForward ? std::size_t{1} << s : L::kLanes >> (s + 1);
    THEX_FFT_UNROLL for (std::size_t pair = 0; pair < L::kLanes / 2; ++pair) {
      const std::size_t j = pair & (half - 1), k = 2 * pair - j;
      const Point<L> w = {L::broadcast(t.cosines[half + j]), L::broadcast(t.sines[half + j])};
      const Point<L> u = c[k], v = c[k + half];
      if constexpr (kForward) {
        const Point<L> product = times(v, w);
        c[k] = u + product;
        c[k + half] = u - product;
      } else {
        c[k] = u + v;
        c[k + half] = over(u - v, w);
      }
    }
  }
}

template <typename L>
THEX_FFT_INLINE void transpose_points(Point<L> (&c)[L::kLanes]) {
  typename L::Vector part[L::kLanes];
  THEX_FFT_UNROLL for (std::size_t k = 0; k < L::kLanes; ++k) part[k] = c[k].re;
  L::transpose(part);
  THEX_FFT_UNROLL for (std::size_t k = 0; k < L::kLanes; ++k) c[k].re = part[k];
  THEX_FFT_UNROLL for (std::size_t k = 0; k < L::kLanes; ++k) part[k] = c[k].im;
  L::transpose(part);
  THEX_FFT_UNROLL for (std::size_t k = 0; k < L::kLanes; ++k) c[k].im = part[k];
}

template <typename L, bool kForward>
THEX_FFT_INLINE void tiles(double* dst_re, double* dst_im, const double* re, const double* im, std::size_t h,
                           const FftTables& t) {
  constexpr std::size_t kLanes = L::kLanes;
  const std::size_t stride = h / kLanes, middle = stride / kLanes;
  for (std::size_t m = 0, reversed = 0; m < middle; ++m, reversed = reversed_successor(reversed, middle)) {
    const std::size_t from = (kForward ? reversed : m) * kLanes, to = (kForward ? m : reversed) * kLanes;
    Point<L> c[kLanes];
    THEX_FFT_UNROLL for (std::size_t k = 0; k < kLanes; ++k) {
      const std::size_t at = from + reverse_lane<kLanes>(k) * stride;
      c[k] = load_point<L>(re + at, im + at);
    }
    if constexpr (!kForward) transpose_points<L>(c);
    tile_stages<L, kForward>(c, t);
    if constexpr (kForward) transpose_points<L>(c);
    THEX_FFT_UNROLL for (std::size_t k = 0; k < kLanes; ++k) {
      const std::size_t at = to + reverse_lane<kLanes>(k) * stride;
      store_point<L>(dst_re + at, dst_im + at, c[k]);
    }
  }
}

// h >= kLanes^2.
template <typename L>
THEX_FFT_INLINE void fft_inverse_lanes(double* dst_re, double* dst_im, double* re, double* im, std::size_t h,
                                       const FftTables& t) {
  std::size_t size = h;
  for (; size > kFftBlock; size /= 4) inverse_radix4<L>(re, im, h, size / 4, t);
  for (std::size_t block = 0; block < h; block += size) {
    std::size_t rest = size;
    for (; rest >= 4 * L::kLanes; rest /= 4) inverse_radix4<L>(re + block, im + block, size, rest / 4, t);
    if (rest == 2 * L::kLanes) radix2<L, false>(re + block, im + block, size, L::kLanes, t);
  }
  tiles<L, false>(dst_re, dst_im, re, im, h, t);
}

template <typename L>
THEX_FFT_INLINE void fft_forward_lanes(double* dst_re, double* dst_im, const double* re, const double* im,
                                       std::size_t h, const FftTables& t) {
  tiles<L, true>(dst_re, dst_im, re, im, h, t);
  std::size_t size = h;
  while (size > kFftBlock) size /= 4;
  for (std::size_t block = 0; block < h; block += size) {
    std::size_t done = L::kLanes, stages = 0;
    while (done << stages < size) ++stages;
    if (stages % 2 == 1) {
      radix2<L, true>(dst_re + block, dst_im + block, size, done, t);
      done *= 2;
    }
    for (; done < size; done *= 4) forward_radix4<L>(dst_re + block, dst_im + block, size, done, t);
  }
  for (; size < h; size *= 4) forward_radix4<L>(dst_re, dst_im, h, size, t);
}

}  // namespace
}  // namespace thex::ring
