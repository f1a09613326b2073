// The kernels that turn real coefficients into residues; the transform itself is tested in
// ckks/detail/embedding_test.cc.
#include "thex/ring/fft.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/aligned_reals.h"
#include "thex/ring/kernels.h"
#include "thex/ring/memory_pool.h"

namespace thex::ring {
namespace {

using support::AlignedReals;

std::vector<const Kernels*> tables() {
  std::vector<const Kernels*> all;
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512ifma}) {
    if (const Kernels* const table = kernels_for(isa)) all.push_back(table);
  }
  return all;
}

TEST(Fft, LargestMagnitude) {
  for (const Kernels* const table : tables()) {
    for (const std::size_t n : {std::size_t{32}, std::size_t{96}, std::size_t{4096}}) {
      for (std::size_t at = 0; at < n; at += 7) {
        AlignedReals x(n);
        EXPECT_EQ(table->largest_magnitude(x.data, n), 0.0);
        x.data[(at + 5) % n] = 2.5;
        x.data[at] = at % 2 ? -7.25 : 7.25;
        EXPECT_EQ(table->largest_magnitude(x.data, n), 7.25) << table->name << " " << at;
        x.data[at] = at % 2 ? -std::numeric_limits<double>::infinity() : std::nan("");
        EXPECT_FALSE(std::isfinite(table->largest_magnitude(x.data, n))) << table->name << " " << at;
      }
    }
  }
}

TEST(Fft, ResiduesOfReals) {
  std::mt19937_64 random(1);
  for (const Kernels* const table : tables()) {
    for (const int bits : {20, 36, 45, 50}) {
      const Modulus q(ntt_primes(bits, 14, 1)[0]);
      const auto p = static_cast<double>(q.value());
      for (const double bound : {0.4, 3.0, p / 2, p - 1, p + 1, 4 * p + 0.5, 0x1p51 - 1}) {
        if (bound >= 0x1p51) continue;
        constexpr std::size_t kN = 256;
        AlignedReals x(kN);
        std::uniform_real_distribution<double> uniform(-bound, bound);
        for (std::size_t i = 0; i < kN; ++i) x.data[i] = uniform(random);
        // The ends, ties, and multiples of the modulus.
        std::size_t at = 0;
        for (const double edge : {bound, -bound, 0.0, -0.0, 0.5, -0.5, 1.5, 2.5, p, -p, 2 * p, p - 1, 1 - p, p / 2}) {
          if (std::abs(edge) <= bound) x.data[at++] = edge;
        }
        Buffer residues(kN);
        table->residues_of_reals(residues.data(), x.data, bound, kN, q);
        for (std::size_t i = 0; i < kN; ++i) {
          ASSERT_EQ(residues.data()[i], q.from_signed(std::llrint(x.data[i])))
              << table->name << " " << bits << " bits: " << x.data[i];
        }
      }
    }
  }
}

}  // namespace
}  // namespace thex::ring
