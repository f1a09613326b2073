// Internal: butterflies with 52-bit integer multiply-add whose differences come out negated.
//
// Four instructions a butterfly, where nothing is reduced. With s = x + wy in hand (three multiply-adds, the first two
// on top of x), the other output is s - 2x = wy - x: one multiply-add by -2 modulo 2^52, where a difference would take
// two. It comes out negated, and so does everything that descends from it. In a transform a whole block has one sign:
// block `node` holds minus its values when the number of ones in `node` is even.
//
// A lane v of a positive block stands for v in [0, 2^52), one of a negative block for v - 2^52 in [-2^52, 0). The
// multiplier takes a negative operand for one that is 2^52 too large; that adds the Shoup quotient w' to the high word,
// so starting the high word from -w' instead of zero makes the product exact again.
//
// LazyField, for q <= 2^53 / 127 (a little above 2^46), reduces nothing on the way. With magnitudes of a block in [low,
// high] and 2^52 = M q, a product lies within
// (-high / M, 1 + high / M) q, so a stage widens the interval by 1 + high / M q on either side.
#pragma once

#include "thex/ring/simd/avx512ifma_field.h"

namespace thex::ring::ifma {
namespace {

struct LazyField {
  explicit THEX_INLINE LazyField(const ModulusData& m)
      : q(broadcast(m.q)),
        minus_q(broadcast((kMask52 + 1) - m.q)),
        minus_two(broadcast(kMask52 - 1)),
        reciprocal(broadcast(m.reciprocal)),
        mask(broadcast(kMask52)) {}

  // start: zero for y >= 0, minus w_quotient for y < 0.
  THEX_INLINE Vector mul(Vector y, Vector w, Vector w_quotient, Vector start, Vector addend) const {
    const Vector quotient = _mm512_madd52hi_epu64(start, y, w_quotient);
    return _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(addend, y, w), quotient, minus_q);
  }
  // (x, y) -> (x + wy, wy - x), both operands negative or both positive.
  THEX_INLINE void signed_butterfly(Vector& x, Vector& y, Vector w, Vector w_quotient, Vector start, bool) const {
    const Vector sum = mul(y, w, w_quotient, start, x);
    y = _mm512_madd52lo_epu64(sum, x, minus_two);
    x = sum;
  }
  // (x, y) -> (x + wy, x - wy).
  THEX_INLINE void plain_butterfly(Vector& x, Vector& y, Vector w, Vector w_quotient) const {
    const Vector product = mul(y, w, w_quotient, zero(), zero());
    y = _mm512_sub_epi64(x, product);
    x = _mm512_add_epi64(x, product);
  }
  // The same for negated operands: (-x, -y) -> (x + wy, x - wy).
  THEX_INLINE void negated_butterfly(Vector& x, Vector& y, Vector w, Vector w_quotient, Vector start) const {
    const Vector product = mul(y, w, w_quotient, start, zero());
    y = _mm512_sub_epi64(product, x);
    x = _mm512_madd52lo_epu64(y, product, minus_two);
  }
  // What a division subtracts from: a positive number congruent to x - a for a in [0, q) and x above q.
  THEX_INLINE Vector minus(Vector x, Vector a) const { return _mm512_sub_epi64(x, a); }
  // Any value below 2^52 -> [0, 2q), modulo 2^52.
  THEX_INLINE Vector reduce(Vector x) const {
    return _mm512_madd52lo_epu64(x, _mm512_madd52hi_epu64(zero(), x, reciprocal), minus_q);
  }
  // [0, 2q) modulo 2^52 -> [0, q).
  THEX_INLINE Vector canonical(Vector x) const {
    x = _mm512_and_si512(x, mask);
    return _mm512_min_epu64(x, _mm512_sub_epi64(x, q));
  }
  // The factor w with w_quotient = floor(w 2^52 / q), which is never whole: the high word of w_quotient q is w - 1.
  THEX_INLINE Vector factor_of(Vector w_quotient, Vector one) const {
    return _mm512_madd52hi_epu64(one, w_quotient, q);
  }

  const Vector q, minus_q, minus_two, reciprocal, mask;
};

// For any q < 2^50: magnitudes stay in [0, 4q) (above 0 where negative), and every butterfly reduces its first operand,
// in two more instructions. r stands for that operand in [0, 2q), modulo q.
struct StrictField : LazyField {
  explicit THEX_INLINE StrictField(const ModulusData& m)
      : LazyField(m),
        one(broadcast(1)),
        minus_one(broadcast(kMask52)),
        one_minus_reciprocal(broadcast(1 - m.reciprocal)),
        two_minus_reciprocal(broadcast(2 - m.reciprocal)),
        two_q(broadcast(2 * m.q)) {}

  // The same operand with the high word of its quotient started at `start`: start more multiples of q taken away.
  THEX_INLINE Vector reduce_from(Vector x, Vector start) const {
    return _mm512_madd52lo_epu64(x, _mm512_madd52hi_epu64(start, x, reciprocal), minus_q);
  }
  // s = r + wy and s - 2 (r + q) = wy - r - 2q. For negative operands the high word starts at -reciprocal, which rounds
  // the quotient up, and at 2 more: -(r + q). There -wy lies within q of zero, and s is -r - q - wy.
  THEX_INLINE void signed_butterfly(Vector& x, Vector& y, Vector w, Vector w_quotient, Vector start,
                                    bool negative) const {
    x = reduce_from(x, negative ? two_minus_reciprocal : minus_one);
    const Vector sum = mul(y, w, w_quotient, negative ? start : one, x);
    y = _mm512_madd52lo_epu64(sum, x, minus_two);
    x = sum;
  }
  THEX_INLINE void plain_butterfly(Vector& x, Vector& y, Vector w, Vector w_quotient) const {
    x = reduce(x);
    const Vector product = mul(y, w, w_quotient, zero(), zero());
    y = _mm512_sub_epi64(_mm512_add_epi64(x, two_q), product);
    x = _mm512_add_epi64(x, product);
  }
  THEX_INLINE void negated_butterfly(Vector& x, Vector& y, Vector w, Vector w_quotient, Vector start) const {
    const Vector lifted = _mm512_sub_epi64(q, reduce_from(x, one_minus_reciprocal));  // r + q
    const Vector product = mul(y, w, w_quotient, start, zero());                      // -wy, within q of zero
    x = _mm512_sub_epi64(lifted, product);
    y = _mm512_add_epi64(lifted, product);
  }
  THEX_INLINE Vector minus(Vector x, Vector a) const { return _mm512_sub_epi64(_mm512_add_epi64(reduce(x), q), a); }

  const Vector one, minus_one, one_minus_reciprocal, two_minus_reciprocal, two_q;
};

constexpr bool odd(int b) { return ((0x6996 >> b) & 1) != 0; }  // the number of ones in b < 16
THEX_INLINE bool negative_block(std::size_t node) { return __builtin_popcountll(node) % 2 == 0; }

// The factors of K fused stages below `node`, as in Factors, and where the high words start.
template <int K, bool kNegative>
struct SignedFactors {
  THEX_INLINE SignedFactors(const NttData& data, std::size_t node) {
    THEX_UNROLL for (int s = 0; s < K; ++s) {
      THEX_UNROLL for (int b = 0; b < (1 << s); ++b) {
        const std::size_t i = (node << s) + static_cast<std::size_t>(b);
        const int slot = (1 << s) - 1 + b;
        w[slot] = broadcast(data.roots[i]);
        quotient[slot] = broadcast(data.quotients[i]);
        start[slot] = odd(b) != kNegative ? broadcast(data.minus_quotients[i]) : zero();
      }
    }
  }
  Vector w[(1 << K) - 1], quotient[(1 << K) - 1], start[(1 << K) - 1];
};

}  // namespace
}  // namespace thex::ring::ifma
