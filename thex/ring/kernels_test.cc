#include "thex/ring/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "tests/support/residues.h"
#include "thex/base/error.h"
#include "thex/ring/ntt.h"

namespace thex::ring {
namespace {

using support::interesting;
using support::random_residues;
using support::to_vector;

constexpr std::size_t kN = 512;

std::vector<std::uint64_t> test_primes() {
  return {ntt_primes(30, 12, 1)[0], ntt_primes(40, 12, 1)[0], ntt_primes(50, 12, 1)[0]};
}

TEST(Dispatch, ChoosesATableOfThisProcessor) {
  EXPECT_EQ(kernels_for(kernels().isa), &kernels());
  ASSERT_NE(kernels_for(Isa::portable), nullptr);
}

TEST(DispatchDeathTest, UnknownNameIsAUsageErrorWithTheChoices) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a fresh process, where the table is not chosen yet
  EXPECT_EXIT(
      {
        setenv("THEX_ISA", "sse9", 1);
        try {
          kernels();
        } catch (const Error& error) {
          std::fputs(error.what(), stderr);
          std::_Exit(exit_status(error.code()));
        }
      },
      ::testing::ExitedWithCode(2), "THEX_ISA=sse9: .*portable");
}

TEST(DispatchDeathTest, ANameSelectsItsTable) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512ifma}) {
    const Kernels* const table = kernels_for(isa);
    if (table == nullptr) continue;
    EXPECT_EXIT(
        {
          setenv("THEX_ISA", table->name, 1);
          std::fputs(kernels().name, stderr);
          std::_Exit(kernels().isa == isa ? 0 : 1);
        },
        ::testing::ExitedWithCode(0), table->name);
  }
}

// Each table against the definition with Modulus.
class KernelLaws : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    table_ = kernels_for(GetParam());
    if (table_ == nullptr) GTEST_SKIP() << "not on this processor or not in this build";
  }
  const Kernels* table_ = nullptr;
  std::mt19937_64 rng_{7};
};

TEST_P(KernelLaws, ElementwiseOperations) {
  for (const std::uint64_t prime : test_primes()) {
    const Modulus q(prime);
    for (const Buffer& a : interesting(rng_, kN, prime)) {
      for (const Buffer& b : interesting(rng_, kN, prime)) {
        Buffer sum(kN), difference(kN), negated(kN), product(kN), scaled(kN), last(kN);
        const std::uint64_t w = b.data()[5];
        table_->add(sum.data(), a.data(), b.data(), kN, q);
        table_->sub(difference.data(), a.data(), b.data(), kN, q);
        table_->neg(negated.data(), a.data(), kN, q);
        table_->mul(product.data(), a.data(), b.data(), kN, q);
        table_->mul_scalar(scaled.data(), a.data(), w, kN, q);
        table_->sub_mul_scalar(last.data(), a.data(), b.data(), w, kN, q);
        for (std::size_t i = 0; i < kN; ++i) {
          const std::uint64_t x = a.data()[i], y = b.data()[i];
          ASSERT_EQ(sum.data()[i], q.add(x, y));
          ASSERT_EQ(difference.data()[i], q.sub(x, y));
          ASSERT_EQ(negated.data()[i], q.neg(x));
          ASSERT_EQ(product.data()[i], q.mul(x, y));
          ASSERT_EQ(scaled.data()[i], q.mul(x, w));
          ASSERT_EQ(last.data()[i], q.mul(q.sub(x, y), w));
        }
        Buffer in_place = a;
        table_->mul(in_place.data(), in_place.data(), b.data(), kN, q);
        ASSERT_EQ(to_vector(in_place), to_vector(product));
        in_place = b;
        table_->sub(in_place.data(), a.data(), in_place.data(), kN, q);
        ASSERT_EQ(to_vector(in_place), to_vector(difference));
      }
    }
  }
}

TEST_P(KernelLaws, InnerProducts) {
  for (const std::uint64_t prime : test_primes()) {
    const Modulus q(prime);
    for (const std::size_t count :
         {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{17}, std::size_t{1024}}) {
      for (const bool extreme : {false, true}) {
        std::vector<Buffer> a, b;
        std::vector<const std::uint64_t*> pa, pb;
        for (std::size_t k = 0; k < count; ++k) {
          a.push_back(extreme ? support::constant(kN, prime - 1) : random_residues(rng_, kN, prime));
          b.push_back(extreme ? support::constant(kN, prime - 1) : random_residues(rng_, kN, prime));
        }
        for (std::size_t k = 0; k < count; ++k) {
          pa.push_back(a[k].data());
          pb.push_back(b[k].data());
        }
        Buffer dst(kN);
        table_->inner_product(dst.data(), pa.data(), pb.data(), count, kN, q);
        for (std::size_t i = 0; i < kN; ++i) {
          std::uint64_t expected = 0;
          for (std::size_t k = 0; k < count; ++k) expected = q.add(expected, q.mul(pa[k][i], pb[k][i]));
          ASSERT_EQ(dst.data()[i], expected);
        }
        for (std::size_t run = 1; run <= kN; run *= 2) {
          table_->inner_product_runs(dst.data(), pa.data(), pb.data(), count, run, kN, q);
          for (std::size_t i = 0; i<kN; i += count> 100 ? 37 : 1) {
            std::uint64_t expected = 0;
            for (std::size_t k = 0; k < count; ++k) expected = q.add(expected, q.mul(pa[k][i], pb[k][i / run]));
            ASSERT_EQ(dst.data()[i], expected) << "run " << run;
          }
          // Several sums of the same first factors, with second factors in other orders.
          std::vector<Buffer> sums;
          std::vector<std::uint64_t*> outputs;
          std::vector<std::vector<const std::uint64_t*>> orders;
          std::vector<const std::uint64_t* const*> factors;
          for (std::size_t o = 0; o < 5; ++o) {
            sums.emplace_back(kN);
            orders.push_back(pb);
            std::rotate(orders[o].begin(), orders[o].begin() + static_cast<std::ptrdiff_t>(o % count), orders[o].end());
          }
          for (std::size_t o = 0; o < 5; ++o) {
            outputs.push_back(sums[o].data());
            factors.push_back(orders[o].data());
          }
          for (std::size_t n_outputs = 1; n_outputs <= 5; n_outputs += 2) {
            table_->inner_products_runs(outputs.data(), pa.data(), factors.data(), n_outputs, count, run, kN, q);
            for (std::size_t o = 0; o < n_outputs; ++o) {
              table_->inner_product_runs(dst.data(), pa.data(), orders[o].data(), count, run, kN, q);
              ASSERT_EQ(to_vector(sums[o]), to_vector(dst)) << "run " << run << ", output " << o;
            }
          }
        }
      }
    }
  }
}

TEST_P(KernelLaws, AddRunsAndPermute) {
  const Modulus q(test_primes().back());
  const Buffer a = random_residues(rng_, kN, q.value()), b = random_residues(rng_, kN, q.value());
  Buffer dst(kN);
  for (std::size_t run = 1; run <= kN; run *= 2) {
    table_->add_runs(dst.data(), a.data(), b.data(), run, kN, q);
    for (std::size_t i = 0; i < kN; ++i) ASSERT_EQ(dst.data()[i], q.add(a.data()[i], b.data()[i / run])) << run;
  }
  const auto index = automorphism_permutation(9, 5);
  table_->permute(dst.data(), a.data(), index.data(), kN);
  for (std::size_t i = 0; i < kN; ++i) ASSERT_EQ(dst.data()[i], a.data()[index[i]]);
}

TEST_P(KernelLaws, SwitchModulusKeepsTheCentredInteger) {
  const auto primes = test_primes();
  for (const std::uint64_t p : primes) {
    for (const std::uint64_t prime : primes) {
      const Modulus q(prime);
      Buffer a = random_residues(rng_, kN, p), dst(kN);
      const std::uint64_t edges[] = {0, 1, p / 2 - 1, p / 2, p / 2 + 1, p - 1};
      std::copy(std::begin(edges), std::end(edges), a.data());
      table_->switch_modulus(dst.data(), a.data(), p, kN, q);
      for (std::size_t i = 0; i < kN; ++i) {
        const auto x = static_cast<std::int64_t>(a.data()[i]);
        const std::int64_t centred = a.data()[i] > p / 2 ? x - static_cast<std::int64_t>(p) : x;
        ASSERT_EQ(dst.data()[i], q.from_signed(centred)) << p << " -> " << prime << " of " << x;
      }
    }
  }
}

TEST_P(KernelLaws, BaseConversion) {
  for (const std::uint64_t prime : test_primes()) {
    const Modulus q(prime);
    for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{40}}) {
      for (const bool extreme : {false, true}) {
        constexpr std::uint64_t kBound = std::uint64_t{1} << 50;
        std::vector<Buffer> src;
        std::vector<const std::uint64_t*> pointers;
        std::vector<std::uint64_t> factor;
        for (std::size_t k = 0; k < count; ++k) {
          src.push_back(extreme ? support::constant(kN, kBound - 1) : random_residues(rng_, kN, kBound));
          factor.push_back(extreme ? prime - 1 : rng_() % prime);
        }
        for (const Buffer& s : src) pointers.push_back(s.data());
        // Several targets, the same prime and others in turn: every remainder of the groups of four.
        const auto primes = test_primes();
        for (std::size_t targets = 1; targets <= 6; ++targets) {
          std::vector<Modulus> moduli;
          std::vector<std::vector<std::uint64_t>> factors(targets, factor);
          std::vector<Buffer> dst;
          std::vector<std::uint64_t*> rows;
          std::vector<const std::uint64_t*> factor_rows;
          std::vector<const Modulus*> q_rows;
          for (std::size_t t = 0; t < targets; ++t) {
            moduli.push_back(t % 2 == 0 ? q : Modulus(primes[t % primes.size()]));
            for (std::uint64_t& f : factors[t]) f = moduli[t].reduce(f);
            dst.emplace_back(kN);
          }
          for (std::size_t t = 0; t < targets; ++t) {
            rows.push_back(dst[t].data());
            factor_rows.push_back(factors[t].data());
            q_rows.push_back(&moduli[t]);
          }
          table_->base_convert(rows.data(), pointers.data(), factor_rows.data(), q_rows.data(), targets, count, kN);
          for (std::size_t t = 0; t < targets; ++t) {
            const Modulus& m = moduli[t];
            for (std::size_t i = 0; i < kN; i += t == 0 ? 1 : 7) {
              std::uint64_t expected = 0;
              for (std::size_t k = 0; k < count; ++k) {
                expected = m.add(expected, m.mul(m.reduce(pointers[k][i]), factors[t][k]));
              }
              ASSERT_EQ(dst[t].data()[i], expected) << "target " << t << " of " << targets;
            }
          }
        }
      }
    }
  }
}

void transforms_equal_portable(const Kernels& table, std::mt19937_64& rng, std::uint64_t prime, int log_n) {
  const std::size_t n = std::size_t{1} << log_n;
  const Modulus q(prime);
  const NttTable ntt(q, log_n);
  for (const Buffer& a : interesting(rng, n, prime)) {
    Buffer ours = a, portable = a;
    table.ntt_forward(ours.data(), ntt);
    kernels_for(Isa::portable)->ntt_forward(portable.data(), ntt);
    ASSERT_EQ(to_vector(ours), to_vector(portable)) << "forward, N = 2^" << log_n << ", q = " << prime;
    ours = a, portable = a;
    table.ntt_inverse(ours.data(), ntt);
    kernels_for(Isa::portable)->ntt_inverse(portable.data(), ntt);
    ASSERT_EQ(to_vector(ours), to_vector(portable)) << "inverse, N = 2^" << log_n << ", q = " << prime;
  }
}

TEST_P(KernelLaws, NttEqualsPortable) {
  for (int log_n = 5; log_n <= 16; ++log_n) {
    // The first prime of 46 bits is just above 2^46, near the limit of the lazy AVX-512 variant.
    for (const int bits : {30, 36, 43, 46, 47, 50}) {
      ASSERT_NO_FATAL_FAILURE(transforms_equal_portable(*table_, rng_, ntt_primes(bits, log_n, 1)[0], log_n));
    }
  }
}

// The nearest primes on either side of the limits of the lazy variants: 2^53 / 127 (AVX-512) and 2^47 (AVX2).
TEST_P(KernelLaws, NttEqualsPortableAtTheLimitsOfTheLazyVariants) {
  for (const int log_n : {7, 10, 11, 14, 16}) {
    const std::uint64_t step = std::uint64_t{2} << log_n;
    for (const std::uint64_t limit : {(std::uint64_t{1} << 53) / 127, std::uint64_t{1} << 47}) {
      std::uint64_t below = (limit - 1) / step * step + 1, above = below + step;
      while (!is_prime(below)) below -= step;
      while (!is_prime(above)) above += step;
      for (const std::uint64_t prime : {below, above}) {
        ASSERT_NO_FATAL_FAILURE(transforms_equal_portable(*table_, rng_, prime, log_n));
      }
    }
  }
}

TEST_P(KernelLaws, AScaledInverseIsTheInverseTimesAConstant) {
  for (const int log_n : {5, 6, 7, 10, 13}) {
    const std::size_t n = std::size_t{1} << log_n;
    for (const std::uint64_t prime : {ntt_primes(30, 13, 1)[0], ntt_primes(46, 13, 1)[0], ntt_primes(50, 13, 1)[0]}) {
      const Modulus q(prime);
      const NttTable ntt(q, log_n);
      for (const std::uint64_t w : {std::uint64_t{0}, std::uint64_t{1}, rng_() % prime, prime - 1}) {
        for (const Buffer& a : interesting(rng_, n, prime)) {
          Buffer expected = a, dst(n);
          table_->ntt_inverse(expected.data(), ntt);
          table_->mul_scalar(expected.data(), expected.data(), w, n, q);
          const Buffer kept = a;
          table_->ntt_inverse_scaled(dst.data(), kept.data(), w, ntt);
          ASSERT_EQ(to_vector(dst), to_vector(expected)) << prime << ", N = 2^" << log_n << ", w = " << w;
          ASSERT_EQ(to_vector(kept), to_vector(a));
          dst = a;
          table_->ntt_inverse_scaled(dst.data(), dst.data(), w, ntt);
          ASSERT_EQ(to_vector(dst), to_vector(expected));
        }
      }
    }
  }
}

TEST_P(KernelLaws, DivisionsAreTransformSubtractMultiply) {
  for (int log_n = 5; log_n <= 16; ++log_n) {
    const std::size_t n = std::size_t{1} << log_n;
    const std::uint64_t primes[] = {ntt_primes(30, 16, 1)[0], ntt_primes(46, 16, 1)[0], ntt_primes(50, 16, 1)[0]};
    for (const std::uint64_t prime : primes) {
      const Modulus q(prime);
      const NttTable ntt(q, log_n);
      for (const std::uint64_t p : primes) {
        const std::uint64_t w = 1 + rng_() % (prime - 1);
        for (const Buffer& b : interesting(rng_, n, p)) {
          const Buffer a = random_residues(rng_, n, prime);
          Buffer remainder(n), expected(n), dst(n);
          table_->switch_modulus(remainder.data(), b.data(), p, n, q);
          Buffer transformed = remainder;
          table_->ntt_forward(transformed.data(), ntt);
          table_->sub_mul_scalar(expected.data(), a.data(), transformed.data(), w, n, q);
          const Buffer kept = b;
          dst = a;
          table_->divide_switched(dst.data(), dst.data(), kept.data(), p, w, ntt, transformed.data(), p > prime);
          ASSERT_EQ(to_vector(dst), to_vector(expected)) << p << " -> " << prime << ", N = 2^" << log_n;
          ASSERT_EQ(to_vector(kept), to_vector(b));
          dst = a;
          Buffer destroyed = remainder;
          table_->divide_transformed(dst.data(), dst.data(), destroyed.data(), w, ntt);
          ASSERT_EQ(to_vector(dst), to_vector(expected));
          table_->divide_transformed(remainder.data(), a.data(), remainder.data(), w, ntt);
          ASSERT_EQ(to_vector(remainder), to_vector(expected));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, KernelLaws, ::testing::Values(Isa::portable, Isa::avx2, Isa::avx512ifma));

}  // namespace
}  // namespace thex::ring
