// The NTT in double precision with fused multiply-add, four lanes, two stages at a time, depth first so that the parts
// soon fit the first-level cache. Between the first and the last pass the polynomial's memory holds doubles.
//
// Sizes in units of q (see avx2_field.h). Lazy variant, q <= 2^47: a product is at most 1/2 + k / 32. Forward: nothing
// is reduced before the end, where 16 stages have brought 1 to 11.8, below 2^51. Inverse: of a pass only the sum of all
// four operands is reduced; with k at its entry the others leave it at most 1 + k / 8.
// The inverse's last stage may bring in any constant below q, as its factors hold 1/N already.
// Strict variant, q < 2^50: a product is at most 1/2 + k / 4. Forward: the upper operand of a pass is first reduced to
// 1/2; two stages leave at most 1.75 + 0.32 k. Inverse: every sum is reduced; products of a difference of two values of
// size k are below 1/2 + k / 2. Both stay below 4q < 2^52.
#include <cstddef>
#include <cstdint>

#include "thex/ring/simd/avx2.h"
#include "thex/ring/simd/avx2_field.h"

namespace thex::ring::avx2 {
namespace {

template <bool kLazy>
struct Butterflies : Field {
  using Field::Field;

  THEX_INLINE Factor broadcast_factor(u64 w) const { return factor(broadcast_real(w)); }

  THEX_INLINE Reals product(Reals y, Factor w) const {
    if constexpr (kLazy) return mul(y, w);
    const Reals high = _mm256_mul_pd(y, w.value), low = _mm256_fmsub_pd(y, w.value, high);
    return _mm256_add_pd(_mm256_fnmadd_pd(nearest(_mm256_mul_pd(y, w.quotient)), q, high), low);
  }
  THEX_INLINE void forward(Reals& x, Reals& y, Factor w) const {
    const Reals wy = product(y, w);
    y = _mm256_sub_pd(x, wy);
    x = _mm256_add_pd(x, wy);
  }
  // kReduce: the sum in the lazy variant.
  template <bool kReduce>
  THEX_INLINE void inverse(Reals& x, Reals& y, Factor w) const {
    const Reals difference = _mm256_sub_pd(x, y);
    x = _mm256_add_pd(x, y);
    if constexpr (kReduce || !kLazy) x = reduce(x);
    y = product(difference, w);
  }
};

// What the first pass of a forward transform reads: residues in [0, q) at the place itself,
struct InPlace {
  const u64* a;
  THEX_INLINE Reals load_values(std::size_t i, const Field&) const { return to_reals(load(a + i)); }
};
// or residues in [0, p), as the centred integers.
struct Switched {
  const u64* src;
  Ints half;
  Reals p;
  THEX_INLINE Reals load_values(std::size_t i, const Field& field) const {
    return field.reduce(centred(load(src + i), half, p));
  }
};

// What the last pass does with values within q / 2 that belong to two words each at i and i + 4: stores them in [0, q),
struct Store {
  u64* a;
  THEX_INLINE void operator()(std::size_t i, Reals x, const Field& field) const {
    store_halves(a + i, field.canonical(x));
  }
};
// or takes them off the minuend and multiplies by w.
struct Divide {
  u64* dst;
  const u64* minuend;
  Factor w;
  THEX_INLINE void operator()(std::size_t i, Reals x, const Field& field) const {
    // Within 3/2 q: the product stays within (1/2 + 3/8) q, see Field::mul.
    const Reals difference = _mm256_sub_pd(to_reals(load_halves(minuend + i)), x);
    store_halves(dst + i, field.canonical(field.mul(difference, w)));
  }
};

struct LaneFactors {
  Factor two, one;  // for distances 2 and 1 inside eight values
};

// `node` numbers the groups of eight values.
THEX_INLINE LaneFactors lane_factors(const u64* roots, std::size_t node, const Field& field) {
  const __m128i pair = _mm_load_si128(reinterpret_cast<const __m128i*>(roots + 2 * node));
  return {field.factor(to_reals(_mm256_permute4x64_epi64(_mm256_castsi128_si256(pair), 0x50))),
          field.factor(to_reals(load(roots + 4 * node)))};
}

template <bool kLazy, typename Input, typename Output>
class Forward {
 public:
  THEX_INLINE Forward(const NttData& data, const Input& input, const Output& output)
      : roots_(data.roots), field_(data.q), input_(input), output_(output) {}

  // `a` holds doubles between the first and the last pass.
  void run(u64* a, std::size_t n) {
    start_ = a;
    if (__builtin_ctzll(n) % 2 != 0) {
      single(a, n / 2);
      for (std::size_t i = 0; i < 2; ++i) tree(a + i * n / 2, n / 2, 2 + i);
    } else {
      two_stages(a, n / 4, 1, [this](std::size_t i) { return input_.load_values(i, field_); });
      for (std::size_t i = 0; i < 4; ++i) tree(a + i * n / 4, n / 4, 4 + i);
    }
  }

 private:
  // All stages of a block of n = 16 * 4^k values.
  void tree(u64* a, std::size_t n, std::size_t node) const {
    if (n == 16) return leaf(a, node);
    two_stages(a, n / 4, node, [a](std::size_t i) { return load_reals(a + i); });
    if (n == 64) {
      for (std::size_t i = 0; i < 4; ++i) leaf(a + 16 * i, 4 * node + i);
    } else {
      for (std::size_t i = 0; i < 4; ++i) tree(a + i * n / 4, n / 4, 4 * node + i);
    }
  }

  // One stage on two rows of t values: the first of an odd number of stages.
  void single(u64* a, std::size_t t) const {
    const Factor w = field_.broadcast_factor(roots_[1]);
    for (std::size_t j = 0; j < t; j += 4) {
      Reals x = input_.load_values(j, field_), y = input_.load_values(t + j, field_);
      field_.forward(x, y, w);
      store_reals(a + j, x);
      store_reals(a + t + j, y);
    }
  }

  struct NodeFactors {
    Factor top, left, right;
  };
  THEX_INLINE NodeFactors factors(std::size_t node) const {
    return {field_.broadcast_factor(roots_[node]), field_.broadcast_factor(roots_[2 * node]),
            field_.broadcast_factor(roots_[2 * node + 1])};
  }
  THEX_INLINE void butterflies(Reals (&v)[4], const NodeFactors& w) const {
    if constexpr (!kLazy) {
      v[0] = field_.reduce(v[0]);
      v[1] = field_.reduce(v[1]);
    }
    field_.forward(v[0], v[2], w.top);
    field_.forward(v[1], v[3], w.top);
    field_.forward(v[0], v[1], w.left);
    field_.forward(v[2], v[3], w.right);
  }

  // values(i): what stands for a[i].
  template <typename Values>
  THEX_INLINE void two_stages(u64* a, std::size_t t, std::size_t node, Values values) const {
    const NodeFactors w = factors(node);
    for (std::size_t j = 0; j < t; j += 4) {
      Reals v[4] = {values(j), values(t + j), values(2 * t + j), values(3 * t + j)};
      butterflies(v, w);
      store_reals(a + j, v[0]);
      store_reals(a + t + j, v[1]);
      store_reals(a + 2 * t + j, v[2]);
      store_reals(a + 3 * t + j, v[3]);
    }
  }

  // The last four stages on 16 values, and the output.
  THEX_INLINE void leaf(u64* a, std::size_t node) const {
    Reals v[4] = {load_reals(a), load_reals(a + 4), load_reals(a + 8), load_reals(a + 12)};
    butterflies(v, factors(node));
    // Two groups of eight values side by side.
    const LaneFactors w[2] = {lane_factors(roots_, 2 * node, field_), lane_factors(roots_, 2 * node + 1, field_)};
    Reals x[2], y[2];
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      x[h] = _mm256_permute2f128_pd(v[2 * h], v[2 * h + 1], 0x20);
      y[h] = _mm256_permute2f128_pd(v[2 * h], v[2 * h + 1], 0x31);
      if constexpr (!kLazy) x[h] = field_.reduce(x[h]);
      field_.forward(x[h], y[h], w[h].two);
    }
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const Reals even = _mm256_unpacklo_pd(x[h], y[h]);
      y[h] = _mm256_unpackhi_pd(x[h], y[h]);
      x[h] = even;
      field_.forward(x[h], y[h], w[h].one);
    }
    const std::size_t at = static_cast<std::size_t>(a - start_);
#pragma GCC unroll 2
    for (std::size_t h = 0; h < 2; ++h) {
      const Reals low = field_.reduce(x[h]), high = field_.reduce(y[h]);
      output_(at + 8 * h, _mm256_unpacklo_pd(low, high), field_);
      output_(at + 8 * h + 2, _mm256_unpackhi_pd(low, high), field_);
    }
  }

  const u64* const roots_;
  const Butterflies<kLazy> field_;
  const Input input_;
  const Output output_;
  const u64* start_ = nullptr;
};

template <bool kLazy>
class Inverse {
 public:
  explicit THEX_INLINE Inverse(const NttData& data)
      : roots_(data.roots), last_root_(data.last_root), n_inverse_(data.n_inverse), field_(data.q) {}

  // From src, which may be a, to a.
  void run(u64* a, const u64* src, std::size_t n) const {
    if (__builtin_ctzll(n) % 2 != 0) {
      for (std::size_t i = 0; i < 2; ++i) tree(a + i * n / 2, src + i * n / 2, n / 2, 2 + i);
      single(a, n / 2);
    } else {
      for (std::size_t i = 0; i < 4; ++i) tree(a + i * n / 4, src + i * n / 4, n / 4, 4 + i);
      two_stages<true>(a, n / 4, 1);
    }
  }

 private:
  void tree(u64* a, const u64* src, std::size_t n, std::size_t node) const {
    if (n == 16) return leaf(a, src, node);
    if (n == 64) {
      for (std::size_t i = 0; i < 4; ++i) leaf(a + 16 * i, src + 16 * i, 4 * node + i);
    } else {
      for (std::size_t i = 0; i < 4; ++i) tree(a + i * n / 4, src + i * n / 4, n / 4, 4 * node + i);
    }
    two_stages<false>(a, n / 4, node);
  }

  template <bool kLast>
  THEX_INLINE void butterflies(Reals (&v)[4], Factor top, Factor left, Factor right) const {
    field_.template inverse<false>(v[0], v[1], left);
    field_.template inverse<false>(v[2], v[3], right);
    field_.template inverse<!kLast>(v[0], v[2], top);
    field_.template inverse<false>(v[1], v[3], top);
  }

  // kLast: the last stage of all, whose factors hold 1/N and the constant, and which stores integers in [0, q).
  template <bool kLast>
  void two_stages(u64* a, std::size_t t, std::size_t node) const {
    const Factor top = field_.broadcast_factor(kLast ? last_root_ : roots_[node]);
    const Factor left = field_.broadcast_factor(roots_[2 * node]);
    const Factor right = field_.broadcast_factor(roots_[2 * node + 1]);
    const Factor scale = field_.broadcast_factor(n_inverse_);
    for (std::size_t j = 0; j < t; j += 4) {
      Reals v[4] = {load_reals(a + j), load_reals(a + t + j), load_reals(a + 2 * t + j), load_reals(a + 3 * t + j)};
      butterflies<kLast>(v, top, left, right);
      if constexpr (kLast) {
        store(a + j, field_.canonical(field_.product(v[0], scale)));
        store(a + t + j, field_.canonical(field_.product(v[1], scale)));
        store(a + 2 * t + j, field_.canonical(field_.reduce(v[2])));
        store(a + 3 * t + j, field_.canonical(field_.reduce(v[3])));
      } else {
        store_reals(a + j, v[0]);
        store_reals(a + t + j, v[1]);
        store_reals(a + 2 * t + j, v[2]);
        store_reals(a + 3 * t + j, v[3]);
      }
    }
  }

  // The last stage of an odd number of stages.
  void single(u64* a, std::size_t t) const {
    const Factor w = field_.broadcast_factor(last_root_), scale = field_.broadcast_factor(n_inverse_);
    for (std::size_t j = 0; j < t; j += 4) {
      Reals x = load_reals(a + j), y = load_reals(a + t + j);
      field_.template inverse<false>(x, y, w);
      store(a + j, field_.canonical(field_.product(x, scale)));
      store(a + t + j, field_.canonical(field_.reduce(y)));
    }
  }

  // The first four stages on 16 values in [0, q).
  THEX_INLINE void leaf(u64* a, const u64* src, std::size_t node) const {
    Reals v[4];
    const LaneFactors w[2] = {lane_factors(roots_, 2 * node, field_), lane_factors(roots_, 2 * node + 1, field_)};
    Reals x[2], y[2];
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const Reals first = to_reals(load_halves(src + 8 * h)), second = to_reals(load_halves(src + 8 * h + 2));
      x[h] = _mm256_unpacklo_pd(first, second);
      y[h] = _mm256_unpackhi_pd(first, second);
      field_.template inverse<false>(x[h], y[h], w[h].one);
    }
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const Reals low = _mm256_unpacklo_pd(x[h], y[h]);
      y[h] = _mm256_unpackhi_pd(x[h], y[h]);
      x[h] = low;
      field_.template inverse<true>(x[h], y[h], w[h].two);
      v[2 * h] = _mm256_permute2f128_pd(x[h], y[h], 0x20);
      v[2 * h + 1] = _mm256_permute2f128_pd(x[h], y[h], 0x31);
    }
    butterflies<false>(v, field_.broadcast_factor(roots_[node]), field_.broadcast_factor(roots_[2 * node]),
                       field_.broadcast_factor(roots_[2 * node + 1]));
    for (int k = 0; k < 4; ++k) store_reals(a + 4 * k, v[k]);
  }

  const u64* const roots_;
  const u64 last_root_, n_inverse_;
  const Butterflies<kLazy> field_;
};

constexpr u64 kLazyLimit = u64{1} << 47;

}  // namespace

void ntt_forward(u64* a, const NttData& data) {
  data.q <= kLazyLimit ? Forward<true, InPlace, Store>(data, {a}, {a}).run(a, data.n)
                       : Forward<false, InPlace, Store>(data, {a}, {a}).run(a, data.n);
}

void ntt_inverse(u64* dst, const u64* a, const NttData& data) {
  data.q <= kLazyLimit ? Inverse<true>(data).run(dst, a, data.n) : Inverse<false>(data).run(dst, a, data.n);
}

namespace {

template <typename Input>
void divide(u64* b, const NttData& data, const Input& input, const Divide& output) {
  data.q <= kLazyLimit ? Forward<true, Input, Divide>(data, input, output).run(b, data.n)
                       : Forward<false, Input, Divide>(data, input, output).run(b, data.n);
}

}  // namespace

void divide_transformed(u64* b, const NttData& data, const DivideData& division) {
  const Divide output{division.dst, division.minuend, Field(data.q).factor(broadcast_real(division.w))};
  if (division.src == nullptr) return divide(b, data, InPlace{b}, output);
  divide(b, data, Switched{division.src, broadcast(division.p / 2), broadcast_real(division.p)}, output);
}

}  // namespace thex::ring::avx2
