// The forward NTT with 52-bit integer multiply-add, see avx512ifma_signed.h.
//
// Stages are fused: 1-4 at a time on registers loaded with a stride, the last six on 64 consecutive values, of which
// the last three shuffle lanes. The first pass cuts the polynomial into blocks that stay in the first-level cache.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx512ifma.h"
#include "thex/ring/simd/avx512ifma_signed.h"

namespace thex::ring::ifma {
namespace {

constexpr u64 kOffset = 29;  // multiples of q, added to the upper operands at the start of a lazy transform

// Inputs below 2.25 q, as Start::switched makes them; at the end values are above q, for kDivide.
constexpr bool bounds_hold() {
  const double modulus = 63.5;  // 2^52 in units of q, at the least
  double high = 2.25, low = 0;
  for (int stage = 0; stage < 16; ++stage) {
    const double growth = 1 + high / modulus;
    if (stage == 0) high += kOffset, low = kOffset;
    high += growth;
    low -= growth;
  }
  return high < modulus && low >= 1;
}
static_assert(bounds_hold());

template <typename Field>
constexpr bool kLazy = false;
template <>
constexpr bool kLazy<LazyField> = true;

// Where a pass stands: `first` reads residues in [0, q), `switched` the same of another modulus, elsewhere.
enum class Start { later, first, switched };

// K stages on 2^K rows of t values each (t a multiple of 8).
template <typename Field, int K, bool kNegative, Start kStart>
void forward_pass(u64* a, std::size_t t, std::size_t node, const NttData& data, const DivideData& divide) {
  const Field field(data.modulus);
  const SignedFactors<K, kNegative> f(data, node);
  const Vector offset = broadcast(kOffset * data.modulus.q);
  const Vector half_p = broadcast(divide.half_p), minus_p = broadcast(divide.minus_p);
  for (std::size_t column = 0; column < t; column += 8) {
    Vector v[1 << K];
    if constexpr (kStart == Start::switched) {
      THEX_UNROLL for (int k = 0; k < (1 << K); ++k) {
        const Vector x = load(divide.src + static_cast<std::size_t>(k) * t + column);
        v[k] = field.reduce(x);
        v[k] = _mm512_mask_add_epi64(v[k], _mm512_cmpgt_epu64_mask(x, half_p), v[k], minus_p);
      }
    } else {
      THEX_UNROLL for (int k = 0; k < (1 << K); ++k) v[k] = load(a + static_cast<std::size_t>(k) * t + column);
    }
    if constexpr (kStart != Start::later && kLazy<Field>) {
      THEX_UNROLL for (int k = 0; k < (1 << K) / 2; ++k) v[k] = _mm512_add_epi64(v[k], offset);
    }
    THEX_UNROLL for (int s = 0; s < K; ++s) {
      const int half = 1 << (K - s - 1);
      THEX_UNROLL for (int b = 0; b < (1 << s); ++b) {
        THEX_UNROLL for (int j = 0; j < half; ++j) {
          const int x = 2 * half * b + j, i = (1 << s) - 1 + b;
          field.signed_butterfly(v[x], v[x + half], f.w[i], f.quotient[i], f.start[i], odd(b) != kNegative);
        }
      }
    }
    THEX_UNROLL for (int k = 0; k < (1 << K); ++k) store(a + static_cast<std::size_t>(k) * t + column, v[k]);
  }
}

// The last six stages, on 64 consecutive values: three between vectors, three between lanes and the reduction to [0,
// q). Two leaves are in work at a time, the first half of one beside the second half of the leaf before, for their
// chains of dependent instructions are too long to overlap otherwise.
//
// Lanes: sixteen values e0..e15 are in two vectors. Each stage needs another bit of the index to tell the vectors
// apart, and each time that is a perfect shuffle: the index bits (3 | 2 1 0), the one of the vector first, rotate to (2
// | 1 0 3), (1 | 0 3 2), (0 | 3 2 1) and back.
//
// kDivide: stores (minuend - result) * w instead of the result; a product by -w of result - minuend > 0.
template <typename Field, bool kDivide>
class ForwardLeaves {
 public:
  ForwardLeaves(u64* a, std::size_t node, const NttData& data, const DivideData& divide)
      : a_(a),
        node_(node),
        data_(data),
        dst_(kDivide ? divide.dst + 64 * node - data.n : a),
        minuend_(kDivide ? divide.minuend + 64 * node - data.n : nullptr),
        stream_(divide.stream),
        field_(data.modulus),
        one_(broadcast(1)),
        minus_w_(broadcast(divide.minus_w.value)),
        minus_w_quotient_(broadcast(divide.minus_w.quotient)) {}

  void run(std::size_t count) {
    Vector v[8], next[8];
    load_leaf(v, 0);
    negative_block(node_) ? step<true, true, false>(v, v, 0) : step<false, true, false>(v, v, 0);
    for (std::size_t j = 0; j + 1 < count; ++j) {
      load_leaf(next, j + 1);
      negative_block(node_ + j + 1) ? step<true, true, true>(next, v, j) : step<false, true, true>(next, v, j);
      THEX_UNROLL for (int k = 0; k < 8; ++k) v[k] = next[k];
    }
    step<false, false, true>(v, v, count - 1);
  }

 private:
  static constexpr std::size_t kAhead = 4;  // leaves

  static THEX_INLINE void prefetch(const u64* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }

  THEX_INLINE void load_leaf(Vector (&v)[8], std::size_t j) const {
    THEX_UNROLL for (int k = 0; k < 8; ++k) v[k] = load(a_ + 64 * j + 8 * k);
  }

  static THEX_INLINE void shuffle(Vector& x, Vector& y) {
    const Vector low = _mm512_permutex2var_epi64(x, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), y);
    y = _mm512_permutex2var_epi64(x, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), y);
    x = low;
  }
  THEX_INLINE void lane_butterfly(Vector& x, Vector& y, Vector quotient) const {
    shuffle(x, y);
    field_.plain_butterfly(x, y, field_.factor_of(quotient, one_), quotient);
  }

  // First half of the leaf after leaf j in u (kFirst), second half of leaf j in v (kSecond).
  template <bool kNegative, bool kFirst, bool kSecond>
  THEX_INLINE void step(Vector (&u)[8], Vector (&v)[8], std::size_t j) const {
    const std::size_t node = node_ + j;
    const SignedFactors<3, kNegative> f(data_, kFirst && kSecond ? node + 1 : node);
    const u64* const four = data_.quotients + (node << 3);
    const u64* const two = data_.quotients + (node << 4);
    const u64* const single = data_.quotients + (node << 5);
    if constexpr (kSecond) {  // the tables are read once, and many of them do not fit the caches
      THEX_UNROLL for (int line = 0; line < 4; ++line) prefetch(single + 32 * kAhead + 8 * line);
      THEX_UNROLL for (int line = 0; line < 2; ++line) prefetch(two + 16 * kAhead + 8 * line);
      prefetch(four + 8 * kAhead);
      if constexpr (kDivide) {
        THEX_UNROLL for (int line = 0; line < 8; ++line) {
          prefetch(minuend_ + 64 * (j + kAhead) + 8 * line);
          if (!stream_) prefetch(dst_ + 64 * (j + kAhead) + 8 * line);
        }
      }
    }
    THEX_UNROLL for (int p = 0; p < 4; ++p) {
      if constexpr (kFirst) field_.signed_butterfly(u[p], u[p + 4], f.w[0], f.quotient[0], f.start[0], kNegative);
      if constexpr (kSecond) {
        const __m128i pair = _mm_load_si128(reinterpret_cast<const __m128i*>(four + 2 * p));
        lane_butterfly(v[2 * p], v[2 * p + 1], _mm512_broadcast_i64x2(pair));
      }
    }
    THEX_UNROLL for (int p = 0; p < 4; ++p) {
      const int b = p / 2, x = 2 * b + p;
      if constexpr (kFirst) {
        const int i = 1 + b;
        field_.signed_butterfly(u[x], u[x + 2], f.w[i], f.quotient[i], f.start[i], odd(b) != kNegative);
      }
      if constexpr (kSecond) {
        const __m256i quad = _mm256_load_si256(reinterpret_cast<const __m256i*>(two + 4 * p));
        lane_butterfly(v[2 * p], v[2 * p + 1], _mm512_broadcast_i64x4(quad));
      }
    }
    THEX_UNROLL for (int p = 0; p < 4; ++p) {
      if constexpr (kFirst) {  // from here on all values are positive
        const int i = 3 + p;
        if (odd(p) != kNegative) {
          field_.negated_butterfly(u[2 * p], u[2 * p + 1], f.w[i], f.quotient[i], f.start[i]);
        } else {
          field_.plain_butterfly(u[2 * p], u[2 * p + 1], f.w[i], f.quotient[i]);
        }
      }
      if constexpr (kSecond) lane_butterfly(v[2 * p], v[2 * p + 1], load(single + 8 * p));
    }
    if constexpr (kSecond) {
      if constexpr (!kDivide) {
        THEX_UNROLL for (int k = 0; k < 8; ++k) v[k] = field_.canonical(field_.reduce(v[k]));
      }
      THEX_UNROLL for (int p = 0; p < 8; p += 2) shuffle(v[p], v[p + 1]);
      if constexpr (kDivide) {
        THEX_UNROLL for (int k = 0; k < 8; ++k) {
          const Vector difference = field_.minus(v[k], load(minuend_ + 64 * j + 8 * k));
          v[k] = field_.canonical(field_.mul(difference, minus_w_, minus_w_quotient_, zero(), zero()));
        }
      }
      if (kDivide && stream_) {
        THEX_UNROLL for (int k = 0; k < 8; ++k) {
          _mm512_stream_si512(reinterpret_cast<Vector*>(dst_ + 64 * j + 8 * k), v[k]);
        }
      } else {
        THEX_UNROLL for (int k = 0; k < 8; ++k) store(dst_ + 64 * j + 8 * k, v[k]);
      }
    }
  }

  u64* const a_;
  const std::size_t node_;
  const NttData& data_;
  u64* const dst_;
  const u64* const minuend_;
  const bool stream_;
  const Field field_;
  const Vector one_, minus_w_, minus_w_quotient_;
};

template <typename Field, Start kStart>
void forward_stages(int stages, u64* a, std::size_t t, std::size_t node, const NttData& data,
                    const DivideData& divide) {
  const auto pass = [&]<int K>() {
    negative_block(node) ? forward_pass<Field, K, true, kStart>(a, t, node, data, divide)
                         : forward_pass<Field, K, false, kStart>(a, t, node, data, divide);
  };
  switch (stages) {
    case 1:
      return pass.template operator()<1>();
    case 2:
      return pass.template operator()<2>();
    case 3:
      return pass.template operator()<3>();
    default:
      return pass.template operator()<4>();
  }
}

// All stages of a block of 2^log_n values, 7 <= log_n <= 16, below `node`: at most three at a time, as sixteen rows
// with strides of powers of two fall on the same few lines of the first-level cache; four where the rows are close.
template <typename Field, Start kStart, bool kDivide>
void forward_block(u64* a, int log_n, std::size_t node, const NttData& data, const DivideData& divide) {
  const int stages = log_n - 6;
  const int first = stages <= 4 ? stages : stages == 5 ? 2 : 3;
  const std::size_t part = std::size_t{1} << (log_n - first);
  forward_stages<Field, kStart>(first, a, part, node, data, divide);
  if (stages == first) {
    ForwardLeaves<Field, kDivide>(a, node << first, data, divide).run(std::size_t{1} << first);
    return;
  }
  for (std::size_t i = 0; i < (std::size_t{1} << first); ++i) {
    forward_block<Field, Start::later, kDivide>(a + i * part, log_n - first, (node << first) + i, data, divide);
  }
}

template <typename Field>
void forward(u64* a, const NttData& data) {
  const int log_n = __builtin_ctzll(data.n);
  if (log_n > 6) return forward_block<Field, Start::first, false>(a, log_n, 1, data, {});
  if constexpr (kLazy<Field>) {
    const Vector offset = broadcast(kOffset * data.modulus.q);
    THEX_UNROLL for (int k = 0; k < 4; ++k) store(a + 8 * k, _mm512_add_epi64(load(a + 8 * k), offset));
  }
  ForwardLeaves<Field, false>(a, 1, data, {}).run(1);
}

template <typename Field>
void divide(u64* a, const NttData& data, const DivideData& divide) {
  const int log_n = __builtin_ctzll(data.n);
  divide.src == nullptr ? forward_block<Field, Start::first, true>(a, log_n, 1, data, divide)
                        : forward_block<Field, Start::switched, true>(a, log_n, 1, data, divide);
  if (divide.stream) _mm_sfence();
}

}  // namespace

void ntt_forward(u64* a, const NttData& data) {
  data.modulus.q <= kLazyLimit ? forward<LazyField>(a, data) : forward<StrictField>(a, data);
}

void divide_transformed(u64* a, const NttData& data, const DivideData& d) {
  data.modulus.q <= kLazyLimit ? divide<LazyField>(a, data, d) : divide<StrictField>(a, data, d);
}

}  // namespace thex::ring::ifma
