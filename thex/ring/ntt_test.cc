#include "thex/ring/ntt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/support/residues.h"
#include "thex/base/error.h"
#include "thex/ring/kernels.h"

namespace thex::ring {
namespace {

using support::random_residues;
using support::to_vector;

std::uint64_t reverse_bits(std::uint64_t value, int bits) {
  std::uint64_t reversed = 0;
  for (int i = 0; i < bits; ++i) reversed |= ((value >> i) & 1) << (bits - 1 - i);
  return reversed;
}

std::vector<std::uint64_t> schoolbook(const Buffer& a, const Buffer& b, const Modulus& q) {
  const std::size_t n = a.size();
  std::vector<std::uint64_t> c(n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const std::uint64_t product = q.mul(a.data()[i], b.data()[j]);
      std::uint64_t& slot = c[(i + j) % n];
      slot = i + j < n ? q.add(slot, product) : q.sub(slot, product);
    }
  }
  return c;
}

TEST(NttTable, RootIsTheSmallestPrimitiveOne) {
  const Modulus q(12289);  // 1 mod 4096
  const NttTable table(q, 8);
  std::uint64_t expected = 2;
  while (q.pow(expected, 256) != 12288) ++expected;
  EXPECT_EQ(table.psi(), expected);
}

TEST(NttTable, SmallerRingUsesThePowerOfTheLargerRingsRoot) {
  const Modulus q(ntt_primes(45, 12, 1)[0]);
  const NttTable large(q, 12), small(q, 7, 12);
  EXPECT_EQ(small.psi(), q.pow(large.psi(), 32));
  // A polynomial in X^32 has an NTT with runs of 32 equal values, which are the small ring's NTT.
  std::mt19937_64 rng(2);
  Buffer compact = random_residues(rng, 128, q.value()), full(4096);
  std::fill_n(full.data(), 4096, 0);
  for (std::size_t i = 0; i < 128; ++i) full.data()[32 * i] = compact.data()[i];
  kernels().ntt_forward(compact.data(), small);
  kernels().ntt_forward(full.data(), large);
  for (std::size_t i = 0; i < 4096; ++i) ASSERT_EQ(full.data()[i], compact.data()[i / 32]) << i;
}

TEST(NttTable, RejectsUnsuitablePrimesAndSizes) {
  EXPECT_THROW(NttTable(Modulus(97), 5), Error);
  EXPECT_THROW(NttTable(Modulus(12289), 4), Error);
  EXPECT_THROW(NttTable(Modulus(ntt_primes(40, 17, 1)[0]), 17), Error);
  EXPECT_THROW(NttTable(Modulus(12289), 8, 7), Error);
}

class NttSmall : public ::testing::TestWithParam<int> {};

TEST_P(NttSmall, MatchesTheDefinition) {
  const int log_n = GetParam();
  const std::size_t n = std::size_t{1} << log_n;
  std::mt19937_64 rng(3);
  for (const std::uint64_t prime : {ntt_primes(30, log_n, 1)[0], ntt_primes(50, log_n, 1)[0]}) {
    const Modulus q(prime);
    const NttTable table(q, log_n);
    const Buffer a = random_residues(rng, n, prime);
    Buffer transformed = a;
    kernels().ntt_forward(transformed.data(), table);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t point = q.pow(table.psi(), 2 * reverse_bits(i, log_n) + 1);
      std::uint64_t value = 0;
      for (std::size_t k = n; k-- > 0;) value = q.add(q.mul(value, point), a.data()[k]);
      ASSERT_EQ(transformed.data()[i], value) << "slot " << i;
    }
    kernels().ntt_inverse(transformed.data(), table);
    EXPECT_EQ(to_vector(transformed), to_vector(a));
  }
}

TEST_P(NttSmall, ProductIsTheNegacyclicConvolution) {
  const int log_n = GetParam();
  const std::size_t n = std::size_t{1} << log_n;
  std::mt19937_64 rng(4);
  const Modulus q(ntt_primes(50, log_n, 1)[0]);
  const NttTable table(q, log_n);
  Buffer a = random_residues(rng, n, q.value()), b = random_residues(rng, n, q.value());
  const auto expected = schoolbook(a, b, q);
  kernels().ntt_forward(a.data(), table);
  kernels().ntt_forward(b.data(), table);
  for (std::size_t i = 0; i < n; ++i) a.data()[i] = q.mul(a.data()[i], b.data()[i]);
  kernels().ntt_inverse(a.data(), table);
  EXPECT_EQ(to_vector(a), expected);
}

TEST_P(NttSmall, AutomorphismIsAPermutation) {
  const int log_n = GetParam();
  const std::size_t n = std::size_t{1} << log_n;
  std::mt19937_64 rng(5);
  const Modulus q(ntt_primes(40, log_n, 1)[0]);
  const NttTable table(q, log_n);
  for (const std::uint64_t g : {std::uint64_t{1}, std::uint64_t{5}, std::uint64_t{25}, std::uint64_t{2 * n - 1}}) {
    const Buffer a = random_residues(rng, n, q.value());
    Buffer mapped(n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t exponent = i * g % (2 * n);
      mapped.data()[exponent % n] = exponent < n ? a.data()[i] : q.neg(a.data()[i]);
    }
    Buffer transformed = a;
    kernels().ntt_forward(transformed.data(), table);
    kernels().ntt_forward(mapped.data(), table);
    const auto index = automorphism_permutation(log_n, g);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(mapped.data()[i], transformed.data()[index[i]]);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, NttSmall, ::testing::Values(5, 6, 7, 8, 9));

TEST(Automorphism, RejectsEvenOrLargeExponents) {
  EXPECT_THROW(automorphism_permutation(6, 2), Error);
  EXPECT_THROW(automorphism_permutation(6, 129), Error);
}

class NttLarge : public ::testing::TestWithParam<int> {};

TEST_P(NttLarge, InverseUndoesForwardOnExtremes) {
  const int log_n = GetParam();
  const std::size_t n = std::size_t{1} << log_n;
  std::mt19937_64 rng(6);
  for (const int bits : {30, 50}) {
    const Modulus q(ntt_primes(bits, log_n, 1)[0]);
    const NttTable table(q, log_n);
    for (const Buffer& a : support::interesting(rng, n, q.value())) {
      Buffer b = a;
      kernels().ntt_forward(b.data(), table);
      EXPECT_LT(*std::max_element(b.data(), b.data() + n), q.value());
      kernels().ntt_inverse(b.data(), table);
      EXPECT_EQ(to_vector(b), to_vector(a));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, NttLarge, ::testing::Values(10, 11, 12, 13, 14, 15, 16));

}  // namespace
}  // namespace thex::ring
