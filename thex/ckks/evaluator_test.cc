// Every operation against complex arithmetic in clear, with the error bound that the noise analysis gives.
#include "thex/ckks/evaluator.h"

#include "tests/support/ckks.h"
#include "thex/ckks/detail/context_constants.h"

namespace thex::ckks {
namespace {

using support::Complex;
using support::error_of;
using support::NamedSpec;
using support::Party;
using support::Slots;
using support::zip;

class EvaluatorOf : public ::testing::TestWithParam<NamedSpec> {
 protected:
  EvaluatorOf() {
    for (Level level = 0; level <= p.top(); ++level) levels.push_back(level);
  }

  Party& p = support::party(GetParam().name);
  const Evaluator& ev = p.evaluator;
  Slots a = support::random_slots(p.context->slots(), 1), b = support::random_slots(p.context->slots(), 2);
  std::vector<Level> levels;
};

TEST_P(EvaluatorOf, AddSubNegate) {
  for (const Level level : levels) {
    const Ciphertext x = p.encrypt(a, level), y = p.encrypt(b, level);
    const double bound = 2 * p.fresh_bound(level);
    EXPECT_LT(error_of(p.decrypt(ev.add(x, y)), zip(a, b, std::plus<>())), bound);
    EXPECT_LT(error_of(p.decrypt(ev.sub(x, y)), zip(a, b, std::minus<>())), bound);
    EXPECT_LT(error_of(p.decrypt(ev.negate(x)), zip(a, a, [](Complex u, Complex) { return -u; })), bound);
  }
}

TEST_P(EvaluatorOf, AddPlainFullAndCompact) {
  for (const Level level : levels) {
    const Ciphertext x = p.encrypt(a, level);
    const double scale = p.context->scale(level), bound = 2 * p.fresh_bound(level);
    EXPECT_LT(error_of(p.decrypt(ev.add_plain(x, p.encode(b, level, scale))), zip(a, b, std::plus<>())), bound);
    for (const std::size_t period : {std::size_t{1}, std::size_t{32}, p.context->slots() / 2}) {
      const Slots short_b(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(period));
      Slots expected = a;
      for (std::size_t i = 0; i < a.size(); ++i) expected[i] += short_b[i % period];
      EXPECT_LT(error_of(p.decrypt(ev.add_plain(x, p.encode(short_b, level, scale))), expected), bound);
    }
  }
}

// A product with a plaintext: the fresh error times |b|, the plaintext's rounding times |a|; then the rescaling's
// rounding.
TEST_P(EvaluatorOf, MulPlainAndRescale) {
  for (const Level level : levels) {
    if (level == 0) continue;
    const Ciphertext x = p.encrypt(a, level);
    const double scale = p.context->scale(level);
    for (const std::size_t period : {std::size_t{16}, std::size_t{64}, p.context->slots()}) {
      const Slots short_b(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(period));
      Slots expected = a;
      for (std::size_t i = 0; i < a.size(); ++i) expected[i] *= short_b[i % period];
      const Ciphertext product = ev.mul_plain(x, p.encode(short_b, level, scale));
      EXPECT_EQ(product.scale, scale * scale);
      EXPECT_EQ(product.level, level);
      const double bound = 3 * p.fresh_bound(level);
      EXPECT_LT(error_of(p.decrypt(product), expected), bound);
      const Ciphertext rescaled = ev.rescale(product);
      EXPECT_EQ(rescaled.level, level - 1);
      EXPECT_EQ(rescaled.scale, p.context->scale(level - 1));
      EXPECT_LT(error_of(p.decrypt(rescaled), expected), bound + p.rounding_bound(rescaled.scale));
    }
  }
}

TEST_P(EvaluatorOf, MulScalar) {
  const Level level = p.top();
  const Ciphertext x = p.encrypt(a, level);
  for (const double factor : {1.0, -1.0, 0.0, 3.25, -0.3333333333333333, 100.0}) {
    const double scale = 0x1p20;
    const Ciphertext product = ev.mul_scalar(x, factor, scale);
    EXPECT_EQ(product.scale, x.scale * scale);
    const Slots expected = zip(a, a, [&](Complex u, Complex) { return u * factor; });
    const double bound = (std::abs(factor) + 1) * p.fresh_bound(level) + 2 * 0x1p-21;
    EXPECT_LT(error_of(p.decrypt(product), expected), bound) << factor;
  }
}

// |a|, |b| <= sqrt 2, so a product's error is at most 3 fresh errors.
TEST_P(EvaluatorOf, MulRelinearizeRescale) {
  for (const Level level : levels) {
    if (level == 0) continue;
    const Ciphertext product = ev.mul(p.encrypt(a, level), p.encrypt(b, level));
    ASSERT_EQ(product.parts.size(), 3u);
    const Slots expected = zip(a, b, std::multiplies<>());
    double bound = 3 * p.fresh_bound(level);
    EXPECT_LT(error_of(p.decrypt(product), expected), bound);
    const Ciphertext relinearized = ev.relinearize(product, p.keys);
    ASSERT_EQ(relinearized.parts.size(), 2u);
    bound += p.switch_bound(level, product.scale);
    EXPECT_LT(error_of(p.decrypt(relinearized), expected), bound);
    const Ciphertext rescaled = ev.rescale(relinearized);
    EXPECT_EQ(rescaled.scale, p.context->scale(level - 1));
    EXPECT_LT(error_of(p.decrypt(rescaled), expected), bound + p.rounding_bound(rescaled.scale));
    // One division instead of two.
    const Ciphertext merged = ev.relinearize_rescale(product, p.keys);
    EXPECT_EQ(merged.level, level - 1);
    EXPECT_EQ(merged.scale, p.context->scale(level - 1));
    EXPECT_LT(error_of(p.decrypt(merged), expected), bound + p.rounding_bound(rescaled.scale));
    EXPECT_TRUE(support::identical(ev.relinearize_rescale(relinearized, p.keys), rescaled));
    // Three parts can be rescaled before they are relinearised.
    const Ciphertext early = ev.relinearize(ev.rescale(product), p.keys);
    const double late_bound =
        3 * p.fresh_bound(level) + p.noise.square_slot_bound(early.scale) + p.switch_bound(level - 1, early.scale);
    EXPECT_LT(error_of(p.decrypt(early), expected), late_bound);
  }
}

TEST_P(EvaluatorOf, RotateConjugateAndHoistedRotate) {
  for (const Level level : levels) {
    const Ciphertext x = p.encrypt(a, level);
    const double bound = p.fresh_bound(level) + p.switch_bound(level, x.scale);
    const Decomposition digits = ev.decompose(x);
    for (const int steps : {1, -1, 3, 8}) {
      const Ciphertext plain = ev.rotate(x, steps, p.keys);
      EXPECT_LT(error_of(p.decrypt(plain), support::rotated(a, steps)), bound) << steps << " at level " << level;
      EXPECT_TRUE(support::identical(plain, ev.rotate_hoisted(x, digits, steps, p.keys))) << steps;
    }
    EXPECT_TRUE(support::identical(ev.rotate(x, 0, p.keys), x));
    EXPECT_TRUE(support::identical(ev.rotate_hoisted(x, digits, static_cast<int>(a.size()), p.keys), x));
    const Slots conjugated = zip(a, a, [](Complex u, Complex) { return std::conj(u); });
    EXPECT_LT(error_of(p.decrypt(ev.conjugate(x, p.keys)), conjugated), bound);
    const Slots turned = zip(a, a, [](Complex u, Complex) { return u * Complex(0, 1); });
    EXPECT_LT(error_of(p.decrypt(ev.multiply_i(x)), turned), p.fresh_bound(level));
    EXPECT_TRUE(support::identical(ev.multiply_i(ev.multiply_i(x)), ev.negate(x)));
  }
}

TEST_P(EvaluatorOf, InnerProductPlainMixesFullAndCompact) {
  const Level level = std::max<Level>(p.top(), 1);
  const double scale = p.context->scale(level);
  std::vector<Ciphertext> x;
  std::vector<Plaintext> y;
  Slots expected(a.size());
  const std::size_t periods[] = {p.context->slots(), 16, 64, 16, 64, p.context->slots(), 1};
  for (std::size_t k = 0; k < std::size(periods); ++k) {
    const Slots u = support::random_slots(a.size(), 10 + k), v = support::random_slots(periods[k], 30 + k);
    x.push_back(p.encrypt(u, level));
    y.push_back(p.encode(v, level, scale));
    for (std::size_t i = 0; i < a.size(); ++i) expected[i] += u[i] * v[i % v.size()];
  }
  std::vector<const Ciphertext*> xs;
  std::vector<const Plaintext*> ys;
  for (std::size_t k = 0; k < x.size(); ++k) {
    xs.push_back(&x[k]);
    ys.push_back(&y[k]);
  }
  const Ciphertext sum = ev.inner_product_plain(xs, ys);
  EXPECT_LT(error_of(p.decrypt(sum), expected), 3 * static_cast<double>(x.size()) * p.fresh_bound(level));
  // The same as separate products, bit for bit.
  Ciphertext separate = ev.mul_plain(x[0], y[0]);
  for (std::size_t k = 1; k < x.size(); ++k) separate = ev.add(separate, ev.mul_plain(x[k], y[k]));
  EXPECT_TRUE(support::identical(sum, separate));
}

TEST_P(EvaluatorOf, InnerProductOfCiphertexts) {
  const Level level = p.top();
  std::vector<Ciphertext> x, y;
  Slots expected(a.size());
  for (std::uint64_t k = 0; k < 5; ++k) {
    const Slots u = support::random_slots(a.size(), 50 + k), v = support::random_slots(a.size(), 70 + k);
    x.push_back(p.encrypt(u, level));
    y.push_back(p.encrypt(v, level));
    for (std::size_t i = 0; i < a.size(); ++i) expected[i] += u[i] * v[i];
  }
  std::vector<const Ciphertext*> xs, ys;
  for (std::size_t k = 0; k < x.size(); ++k) {
    xs.push_back(&x[k]);
    ys.push_back(&y[k]);
  }
  const Ciphertext sum = ev.inner_product(xs, ys);
  const double bound = 3 * 5 * p.fresh_bound(level);
  EXPECT_LT(error_of(p.decrypt(sum), expected), bound);
  EXPECT_LT(error_of(p.decrypt(ev.relinearize(sum, p.keys)), expected), bound + p.switch_bound(level, sum.scale));
}

TEST_P(EvaluatorOf, DropToKeepsTheValue) {
  const Ciphertext x = p.encrypt(a, p.top());
  for (const Level level : levels) {
    const Ciphertext dropped = ev.drop_to(x, level);
    EXPECT_EQ(dropped.level, level);
    EXPECT_EQ(dropped.scale, x.scale);
    EXPECT_LT(error_of(p.decrypt(dropped), a), p.fresh_bound(p.top()));
  }
}

TEST_P(EvaluatorOf, AlignToReachesTheCanonicalScaleOfEveryLowerLevel) {
  const Ciphertext x = p.encrypt(a, p.top());
  for (const Level level : levels) {
    const Ciphertext aligned = ev.align_to(x, level);
    EXPECT_EQ(aligned.level, level);
    EXPECT_EQ(aligned.scale, p.context->scale(level));
    // The constant near 2^(bits of q) is rounded to an integer.
    const double bound = p.fresh_bound(p.top()) * 1.01 + p.rounding_bound(aligned.scale) + 0x1p-19 / 8;
    EXPECT_LT(error_of(p.decrypt(aligned), a), level == p.top() ? p.fresh_bound(level) : bound);
    // So it can be added to a fresh ciphertext of that level.
    EXPECT_NO_THROW(ev.add(aligned, p.encrypt(b, level)));
  }
}

// Squarings and plaintext products keep every level's canonical scale exactly: no drift.
TEST_P(EvaluatorOf, ScalesAreCanonicalAlongAChain) {
  Ciphertext x = p.encrypt(a, p.top());
  Slots expected = a;
  double bound = p.fresh_bound(p.top());
  for (Level level = p.top(); level > 0; --level) {
    double largest = 0;
    for (const Complex& slot : expected) largest = std::max(largest, std::abs(slot));
    if (level.number() % 2 == 0) {
      const Ciphertext square = ev.mul(x, x);
      bound = 2 * largest * bound + bound * bound + p.switch_bound(level, square.scale);
      x = ev.rescale(ev.relinearize(square, p.keys));
      for (Complex& slot : expected) slot *= slot;
    } else {
      bound = std::sqrt(2.0) * bound + largest * p.fresh_bound(level);
      x = ev.rescale(ev.mul_plain(x, p.encode(b, level, p.context->scale(level))));
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= b[i];
    }
    bound += p.rounding_bound(x.scale);
    EXPECT_EQ(x.scale, p.context->scale(level - 1));
    EXPECT_LT(error_of(p.decrypt(x), expected), bound) << "level " << level - 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, EvaluatorOf, ::testing::ValuesIn(support::specs()), support::name_of);

// One large ring: eleven levels, digits of four limbs, the last one short.
TEST(Evaluator, LargeRing) {
  ContextSpec spec{15, std::vector<int>(11, 40), {43, 43, 43, 43}, 4, 40};
  spec.q_bits[0] = 50;
  Party p(spec);
  p.make_keys({{{5, p.top()}}, p.top(), -1});
  const Slots a = support::random_slots(p.context->slots(), 1);
  const Ciphertext x = p.encrypt(a, p.top());
  EXPECT_LT(error_of(p.decrypt(p.evaluator.rotate(x, 5, p.keys)), support::rotated(a, 5)),
            p.fresh_bound(p.top()) + p.switch_bound(p.top(), x.scale));
  const Ciphertext square = p.evaluator.rescale(p.evaluator.relinearize(p.evaluator.mul(x, x), p.keys));
  EXPECT_EQ(square.scale, p.context->scale(p.top() - 1));
  EXPECT_LT(error_of(p.decrypt(square), zip(a, a, std::multiplies<>())),
            3 * p.fresh_bound(p.top()) + p.rounding_bound(square.scale) + p.switch_bound(p.top(), x.scale * x.scale));
}

// More terms than one kernel call takes.
TEST(Evaluator, InnerProductPlainOfManyTerms) {
  Party& p = support::party("n12_alpha1");
  const Slots a = support::random_slots(p.context->slots(), 3);
  const Ciphertext x = p.encrypt(a, 1);
  const std::size_t count = 1500;
  const Plaintext one = p.encode(std::vector<double>{1.0 / 1500}, 1, 0x1p35);
  const std::vector<const Ciphertext*> xs(count, &x);
  const std::vector<const Plaintext*> ys(count, &one);
  EXPECT_LT(error_of(p.decrypt(p.evaluator.inner_product_plain(xs, ys)), a), p.fresh_bound(1) * 1.01 + 0x1p-20);
}

}  // namespace
}  // namespace thex::ckks
