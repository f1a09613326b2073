// The lazy inverse NTT with 52-bit integer multiply-add, see avx512ifma_signed.h and ntt_lazy_inverse.h.
//
// A step on 2^K rows is a cyclic transform of 2^K points, bit-reversed to natural order, whose few factors are the same
// for all blocks, and one product for each row (its scale). So the butterflies multiply one operand and add it to the
// other, as in the forward transform and four instructions each; the first stage and parts of the others do not
// multiply at all.
//
// Every value that is multiplied must be known to be positive (or negative: lanes of a leaf). Offsets that make it so
// cost nothing: a product that starts its high word at -c instead of zero comes out c q larger. Bounds below are in
// units of q, of which 2^52 has 63.5 at the least; a product is at most 1 + (its operand) / 63.5, below 2.
#include <cstddef>
#include <cstdint>

#include "thex/ring/ntt_lazy_steps.h"
#include "thex/ring/simd/avx512ifma.h"
#include "thex/ring/simd/avx512ifma_signed.h"

namespace thex::ring::ifma {
namespace {

// Rows of a step are in [c, c + 2) with c from the last 2^K of these, so that all differences that are multiplied are
// positive: rows 2 - 3 and 6 - 7, (4 + 5) - (6 + 7), (0 + ... + 3) - (4 + ... + 7).
constexpr u64 kRowLift[8] = {14, 0, 2, 0, 6, 0, 2, 0};
constexpr u64 kSecondLift = 8;   // rows 4 - 5 are below 8
constexpr u64 kThirdLift = 18;   // outputs 1 and 2 of the first half are below 14 + 2 + 2
constexpr u64 kLeafOffset = 6;   // inside a leaf, five stages lose less than 1 + 4 (1 + 13 / 63.5) below zero
static_assert(kLeafLift >= 14);  // and the values before the last stage are below 6 + 2 + 4 (1 + 13 / 63.5)

struct Interval {
  double low, high;
};
constexpr Interval operator+(Interval a, Interval b) { return {a.low + b.low, a.high + b.high}; }
constexpr Interval operator-(Interval a, Interval b) { return {a.low - b.high, a.high - b.low}; }

// A step of three stages, which contains those of two and one: what is multiplied is positive and in range, and what
// comes out lies within two units above its offset.
constexpr bool steps_hold() {
  const double modulus = 63.5;
  bool good = true;
  const auto product = [&](Interval operand) {
    good = good && operand.low >= 0 && operand.high < modulus;
    return Interval{0, 1 + operand.high / modulus};
  };
  const auto offset = [](u64 c) { return Interval{static_cast<double>(c), static_cast<double>(c)}; };
  Interval u[8] = {}, y[8] = {};
  for (int k = 0; k < 8; ++k) u[k] = Interval{0, 2} + offset(kRowLift[k]);
  Interval half[2][4] = {};  // outputs of four rows each; the last is negated
  for (int h = 0; h < 2; ++h) {
    const Interval* const v = u + 4 * h;
    const Interval second = product(v[2] - v[3]) + offset(h == 1 ? kSecondLift : 0);
    half[h][0] = v[0] + v[1] + v[2] + v[3];
    half[h][1] = (v[0] - v[1]) + second;
    half[h][2] = (v[0] + v[1]) - (v[2] + v[3]);
    half[h][3] = second - (v[0] - v[1]);
  }
  y[0] = half[0][0] + half[1][0];
  y[4] = half[0][0] - half[1][0];
  for (int m = 1; m < 4; ++m) {
    const Interval third = product(half[1][m]) + offset(kThirdLift);
    y[m] = half[0][m] + third;
    y[m + 4] = third - half[0][m];
  }
  for (const Interval& out : y) good = good && product(out).high < 2;
  return good;
}
static_assert(steps_hold());

THEX_INLINE u64 row_lift(int stages, std::size_t block) {
  const std::size_t rows = std::size_t{1} << stages;
  return kRowLift[8 - rows + (block & (rows - 1))];
}

// kLast: the last step of all, whose outputs are in [0, q); else in [lift, lift + 2).
template <int K, bool kLast>
void inverse_pass(u64* a, std::size_t t, const u64* scales, u64 lift, const NttData& data) {
  const LazyField field(data.modulus);
  // The inverses of the 8th root of unity to the power 2, 1, 3.
  const Vector w2 = broadcast(data.roots[1]), quotient2 = broadcast(data.quotients[1]);
  const Vector w1 = broadcast(data.roots[2]), quotient1 = broadcast(data.quotients[2]);
  const Vector w3 = broadcast(data.roots[3]), quotient3 = broadcast(data.quotients[3]);
  const Vector second = broadcast(0 - kSecondLift), third = broadcast(0 - kThirdLift), start = broadcast(0 - lift);
  for (std::size_t column = 0; column < t; column += 8) {
    Vector v[1 << K];
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = load(a + static_cast<std::size_t>(k) * t + column);
    const auto sum_and_difference = [&v](int x, int y) {
      const Vector sum = _mm512_add_epi64(v[x], v[y]);
      v[y] = _mm512_sub_epi64(v[x], v[y]);
      v[x] = sum;
    };
    THEX_UNROLL for (int k = 0; k < (1 << K); k += 2) sum_and_difference(k, k + 1);
    if constexpr (K >= 2) {
      THEX_UNROLL for (int k = 0; k < (1 << K); k += 4) {
        sum_and_difference(k, k + 2);
        field.signed_butterfly(v[k + 1], v[k + 3], w2, quotient2, K == 2 || k == 4 ? second : zero(), false);
      }
    }
    if constexpr (K == 3) {
      sum_and_difference(0, 4);
      field.signed_butterfly(v[1], v[5], w1, quotient1, third, false);
      field.signed_butterfly(v[2], v[6], w2, quotient2, third, false);
      field.signed_butterfly(v[3], v[7], w3, quotient3, third, false);
    }
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) {
      const Vector w = broadcast(scales[2 * k]), quotient = broadcast(scales[2 * k + 1]);
      if constexpr (kLast) {
        v[k] = field.canonical(field.mul(v[k], w, quotient, zero(), zero()));
      } else if (k == 0) {
        v[0] = _mm512_madd52lo_epu64(v[0], _mm512_madd52hi_epu64(start, v[0], field.reciprocal), field.minus_q);
      } else {
        v[k] = field.mul(v[k], w, quotient, start, zero());
      }
    }
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) store(a + static_cast<std::size_t>(k) * t + column, v[k]);
  }
}

// Six stages on each of some leaves of 64 consecutive values in [0, q); outputs in [c, c + 2) with c as the next step
// wants it. As in the forward transform, half of one leaf is done beside the other half of the leaf before.
//
// Lanes: sixteen values e0..e15 are in two vectors; index bits (3 | 2 1 0), the one of the vector first, rotate to
// (0 | 3 2 1), (1 | 0 3 2), (2 | 1 0 3) and back.
class InverseLeaves {
 public:
  InverseLeaves(u64* a, std::size_t node, int next_stages, const NttData& data)
      : a_(a),
        node_(node),
        next_stages_(next_stages),
        constants_(data.leaf_constants),
        twists_(data.leaf_twists + 64 * node - data.n),
        field_(data.modulus),
        one_(broadcast(1)),
        offset_(broadcast(kLeafOffset * data.modulus.q)) {}

  void run(std::size_t count) {
    Vector v[8], next[8];
    load_leaf(v, 0);
    step<true, false>(v, v, 0);
    for (std::size_t j = 0; j + 1 < count; ++j) {
      load_leaf(next, j + 1);
      step<true, true>(next, v, j);
      THEX_UNROLL for (int k = 0; k < 8; ++k) v[k] = next[k];
    }
    step<false, true>(v, v, count - 1);
  }

 private:
  THEX_INLINE void load_leaf(Vector (&v)[8], std::size_t j) const {
    THEX_UNROLL for (int k = 0; k < 8; ++k) v[k] = load(a_ + 64 * j + 8 * k);
  }

  static THEX_INLINE void unshuffle(Vector& x, Vector& y) {
    const Vector even = _mm512_permutex2var_epi64(x, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), y);
    y = _mm512_permutex2var_epi64(x, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), y);
    x = even;
  }
  // Vectors 3 i.. of the constants, after the two of distance 2: factor, quotient, start.
  THEX_INLINE void butterfly(Vector& x, Vector& y, int i) const {
    const u64* const c = constants_ + 16 + 24 * i;
    field_.signed_butterfly(x, y, load(c), load(c + 8), load(c + 16), false);
  }

  // First half of the leaf after leaf j in u (kFirst), second half of leaf j in v (kSecond).
  template <bool kFirst, bool kSecond>
  THEX_INLINE void step(Vector (&u)[8], Vector (&v)[8], std::size_t j) const {
    const u64* const twists = twists_ + 64 * j;
    if constexpr (kSecond) {
      THEX_UNROLL for (int k = 0; k < 8; ++k) {
        _mm_prefetch(reinterpret_cast<const char*>(twists + 64 * kAhead + 8 * k), _MM_HINT_T0);
      }
    }
    THEX_UNROLL for (int p = 0; p < 4; ++p) {
      if constexpr (kFirst) {
        Vector &x = u[2 * p], &y = u[2 * p + 1];
        unshuffle(x, y);
        x = _mm512_add_epi64(x, offset_);
        const Vector sum = _mm512_add_epi64(x, y);
        y = _mm512_sub_epi64(x, y);
        x = sum;
      }
      if constexpr (kSecond) butterfly(v[2 * p], v[2 * p + 1], 1);
    }
    THEX_UNROLL for (int p = 0; p < 4; ++p) {
      if constexpr (kFirst) {
        unshuffle(u[2 * p], u[2 * p + 1]);
        field_.signed_butterfly(u[2 * p], u[2 * p + 1], load(constants_), load(constants_ + 8), zero(), false);
      }
      const int x = p + (p & 2);
      if constexpr (kSecond) butterfly(v[x], v[x + 2], 2 + (p & 1));
    }
    THEX_UNROLL for (int p = 0; p < 4; ++p) {
      if constexpr (kFirst) {
        unshuffle(u[2 * p], u[2 * p + 1]);
        butterfly(u[2 * p], u[2 * p + 1], 0);
      }
      if constexpr (kSecond) butterfly(v[p], v[p + 4], 4 + p);
    }
    THEX_UNROLL for (int p = 0; p < 4; ++p) {
      if constexpr (kFirst) unshuffle(u[2 * p], u[2 * p + 1]);
    }
    if constexpr (kSecond) {
      const Vector start = broadcast(0 - row_lift(next_stages_, node_ + j));
      THEX_UNROLL for (int k = 0; k < 8; ++k) {
        const Vector quotient = load(twists + 8 * k), w = field_.factor_of(quotient, one_);
        store(a_ + 64 * j + 8 * k, field_.mul(v[k], w, quotient, start, zero()));
      }
    }
  }

  static constexpr std::size_t kAhead = 4;  // leaves

  u64* const a_;
  const std::size_t node_;
  const int next_stages_;
  const u64 *const constants_, *const twists_;
  const LazyField field_;
  const Vector one_, offset_;
};

template <bool kLast>
void inverse_stages(int stages, u64* a, std::size_t t, const u64* scales, u64 lift, const NttData& data) {
  switch (stages) {
    case 1:
      return inverse_pass<1, kLast>(a, t, scales, lift, data);
    case 2:
      return inverse_pass<2, kLast>(a, t, scales, lift, data);
    default:
      return inverse_pass<3, kLast>(a, t, scales, lift, data);
  }
}

// A block of 2^log_n values below `node`, which the step with `next_stages` takes up. scales: those of this depth.
template <bool kLast>
void inverse_block(u64* a, int log_n, std::size_t node, int next_stages, const u64* scales, const NttData& data) {
  const int stages = lazy_inverse_stages(log_n);
  const std::size_t rows = std::size_t{1} << stages, t = std::size_t{1} << (log_n - stages);
  const std::size_t blocks = data.n >> log_n;
  if (log_n - stages == kLazyLeafLog) {
    InverseLeaves(a, node << stages, stages, data).run(rows);
  } else {
    const u64* const below = scales + 2 * blocks * rows;
    for (std::size_t i = 0; i < rows; ++i) {
      inverse_block<false>(a + i * t, log_n - stages, (node << stages) + i, stages, below, data);
    }
  }
  const u64 lift = kLast ? 0 : row_lift(next_stages, node);
  inverse_stages<kLast>(stages, a, t, scales + 2 * (node - blocks) * rows, lift, data);
}

}  // namespace

void ntt_inverse_lazy(u64* a, const NttData& data) {
  inverse_block<true>(a, __builtin_ctzll(data.n), 1, 0, data.scales, data);
}

}  // namespace thex::ring::ifma
