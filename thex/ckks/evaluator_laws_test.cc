// Algebraic laws that hold whatever the values: on random inputs, rotations and levels.
#include "tests/support/ckks.h"

namespace thex::ckks {
namespace {

using support::error_of;
using support::identical;
using support::Party;
using support::Slots;

class Laws : public ::testing::TestWithParam<int> {
 protected:
  // A different vector and level for each seed.
  Ciphertext random(int which) {
    return p.encrypt(support::random_slots(p.context->slots(), static_cast<std::uint64_t>(1000 * GetParam() + which)),
                     level);
  }
  // Both sides decrypt to the same values within a few key switches and fresh errors at that scale.
  void expect_close(const Ciphertext& left, const Ciphertext& right, double terms) {
    EXPECT_EQ(left.level, right.level);
    EXPECT_EQ(left.scale, right.scale);
    const double bound = terms * p.switch_bound(p.top(), left.scale);
    EXPECT_LT(error_of(p.decrypt(left), p.decrypt(right)), bound);
  }

  Party& p = support::party("n13_alpha2");
  const Evaluator& ev = p.evaluator;
  const Level level = 1 + GetParam() % p.top().number();
};

TEST_P(Laws, AdditionIsAGroup) {
  const Ciphertext a = random(1), b = random(2), c = random(3);
  EXPECT_TRUE(identical(ev.add(a, b), ev.add(b, a)));
  EXPECT_TRUE(identical(ev.add(ev.add(a, b), c), ev.add(a, ev.add(b, c))));
  EXPECT_TRUE(identical(ev.sub(a, b), ev.add(a, ev.negate(b))));
  EXPECT_TRUE(identical(ev.sub(ev.add(a, b), b), a));
}

TEST_P(Laws, MultiplicationCommutesAndDistributes) {
  const Ciphertext a = random(1), b = random(2), c = random(3);
  EXPECT_TRUE(identical(ev.mul(a, b), ev.mul(b, a)));
  EXPECT_TRUE(identical(ev.mul(ev.add(a, b), c), ev.add(ev.mul(a, c), ev.mul(b, c))));
  const Plaintext w = p.encode(support::random_slots(32, 9), level, p.context->scale(level));
  EXPECT_TRUE(identical(ev.mul_plain(ev.add(a, b), w), ev.add(ev.mul_plain(a, w), ev.mul_plain(b, w))));
  const Ciphertext* const x[] = {&a, &b};
  const Ciphertext* const y[] = {&b, &c};
  EXPECT_TRUE(identical(ev.inner_product(x, y), ev.add(ev.mul(a, b), ev.mul(b, c))));
}

TEST_P(Laws, RelinearizationIsLinearUpToNoise) {
  const Ciphertext a = random(1), b = random(2), c = random(3);
  const Ciphertext once = ev.relinearize(ev.add(ev.mul(a, c), ev.mul(b, c)), p.keys);
  const Ciphertext twice = ev.add(ev.relinearize(ev.mul(a, c), p.keys), ev.relinearize(ev.mul(b, c), p.keys));
  expect_close(once, twice, 3);
}

TEST_P(Laws, RotationsCompose) {
  const Ciphertext a = random(1);
  expect_close(ev.rotate(ev.rotate(a, 1, p.keys), 3, p.keys), ev.rotate(a, 4, p.keys), 3);
  expect_close(ev.rotate(ev.rotate(a, 1, p.keys), -1, p.keys), a, 2);
  expect_close(ev.rotate(ev.rotate(a, 4, p.keys), 4, p.keys), ev.rotate(a, 8, p.keys), 3);
}

TEST_P(Laws, RotationIsLinearAndMultiplicative) {
  const Ciphertext a = random(1), b = random(2);
  expect_close(ev.rotate(ev.add(a, b), 3, p.keys), ev.add(ev.rotate(a, 3, p.keys), ev.rotate(b, 3, p.keys)), 3);
  const auto product = [&](const Ciphertext& x, const Ciphertext& y) {
    return ev.rescale(ev.relinearize(ev.mul(x, y), p.keys));
  };
  // The factors' own key-switching errors are multiplied by slots of up to sqrt 2.
  expect_close(ev.rotate(product(a, b), 3, p.keys), product(ev.rotate(a, 3, p.keys), ev.rotate(b, 3, p.keys)), 6);
}

TEST_P(Laws, ConjugationIsAnInvolutionAndCommutesWithRotation) {
  const Ciphertext a = random(1);
  expect_close(ev.conjugate(ev.conjugate(a, p.keys), p.keys), a, 2);
  expect_close(ev.conjugate(ev.rotate(a, 1, p.keys), p.keys), ev.rotate(ev.conjugate(a, p.keys), 1, p.keys), 4);
}

TEST_P(Laws, DroppingCommutesWithArithmetic) {
  const Ciphertext a = random(1), b = random(2);
  const Level lower = level - 1;
  EXPECT_TRUE(identical(ev.drop_to(ev.add(a, b), lower), ev.add(ev.drop_to(a, lower), ev.drop_to(b, lower))));
  expect_close(ev.drop_to(ev.rotate(a, 1, p.keys), lower), ev.rotate(ev.drop_to(a, lower), 1, p.keys), 2);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Laws, ::testing::Range(0, 6));

}  // namespace
}  // namespace thex::ckks
