#include "thex/measure/bound.h"

#include <gtest/gtest.h>

#include <set>

#include "thex/measure/engine_cases.h"
#include "thex/measure/timing.h"

namespace thex::measure {
namespace {

// 2 limbs in one digit, one special prime.
ckks::ContextPtr small_context() {
  return ckks::Context::create(
      {.log_n = 13, .q_bits = {45, 40}, .p_bits = {43, 43}, .digit_limbs = 2, .log_scale = 40});
}

TEST(Bound, CountsARotation) {
  const auto context = small_context();
  const WorkOf work(*context, 2);
  const double n = 8192;
  // 2 inverse and 2 forward transforms of the digit, 4 of each result's division by P.
  EXPECT_EQ(work.rotate().butterflies, (2 + 2 + 2 * 4) * n / 2 * 13);
  // The digit's conversion 2 x 2, the key 2 x 4, the division 2 x 2 x 2.
  EXPECT_EQ(work.rotate().multiply_adds, (4 + 8 + 8) * n);
  EXPECT_EQ(work.rotate().products, 4 * n);
  // The key has 8 rows, input and output 4 each.
  EXPECT_EQ(work.rotate().bytes, 16 * 8 * n);
  EXPECT_EQ(work.rotate_hoisted().butterflies, 8 * n / 2 * 13);
  EXPECT_EQ(work.rescale().butterflies, 2 * 2 * n / 2 * 13);
  EXPECT_EQ(work.add().bytes, 12 * 8 * n);
  // One decomposition (4), a giant step (a division of one part, 4, and a decomposition, 4), the division (2 x 4).
  EXPECT_EQ(work.linear_transform(3, 2, 8).butterflies, (4 + 8 + 8) * n / 2 * 13);
  // A conversion (4) twice, four keys (8), eight factors (2 x 4), the giant step's division (4), the last (2 x 3).
  EXPECT_EQ(work.linear_transform(3, 2, 8).multiply_adds, (8 + 32 + 64 + 4 + 6) * n);
  EXPECT_EQ(work.encode().butterflies, 2 * n / 2 * 13);
  EXPECT_EQ(work.encode().real_butterflies, n / 4 * 12);
}

TEST(Bound, IsTheLargerOfArithmeticAndBytes) {
  Machine machine;
  EXPECT_GT(machine.integer_rate(), 1e7);
  EXPECT_LT(machine.integer_rate(), 1e11);
  EXPECT_GT(machine.real_rate(), 1e7);
  EXPECT_LT(machine.real_rate(), 1e11);
  const Work arithmetic{.butterflies = 1e9}, bytes{.bytes = 1e8};
  const double a = bound_seconds(arithmetic, machine, 1), b = bound_seconds(bytes, machine, 1);
  EXPECT_GT(a, 0);
  EXPECT_GT(b, 0);
  EXPECT_EQ(bound_seconds(arithmetic + bytes, machine, 1), std::max(a, b));
  EXPECT_EQ(bound_seconds(arithmetic, machine, 2), a / 2);
  EXPECT_DOUBLE_EQ(bound_seconds(3 * arithmetic, machine, 1), 3 * a);
}

// Every instruction set that this processor has: no kernel can be faster than the rate that its bound rests on.
TEST(Bound, NoTransformBeatsIt) {
  for (const ring::Isa isa : {ring::Isa::portable, ring::Isa::avx2, ring::Isa::avx512ifma}) {
    const ring::Kernels* const kernels = ring::kernels_for(isa);
    if (kernels == nullptr) continue;
    Machine machine(*kernels);
    const ring::NttTable table(ring::Modulus(ring::ntt_primes(45, 12, 1)[0]), 12);
    ring::Buffer values(table.n());
    for (std::size_t i = 0; i < table.n(); ++i) values.data()[i] = i;
    const Times times = measure([&] { kernels->ntt_forward(values.data(), table); }, 0.05);
    const double bound = bound_seconds({.butterflies = 4096.0 / 2 * 12}, machine, 1);
    EXPECT_GT(times.minimum, 0.7 * bound) << machine.isa_name() << ": the clock may change meanwhile, but not by this";
    EXPECT_LE(times.minimum, times.median);
  }
}

TEST(EngineCases, AreDistinctAndSecure) {
  std::set<std::string> labels;
  for (const Case& c : engine_cases(2)) {
    EXPECT_TRUE(labels.insert(c.label()).second) << c.label();
  }
  EXPECT_TRUE(labels.contains("rotate/2^16/24"));
  EXPECT_TRUE(labels.contains("rotate_batch_8/2^15/12/threads:2"));
  EXPECT_LT(engine_cases(1).size(), labels.size());
  for (const auto& [log_n, limbs] : {std::pair{14, 7}, {15, 12}, {16, 24}}) {
    const auto context = ckks::Context::create(engine_spec(log_n, limbs));  // refuses what is not 128-bit secure
    EXPECT_EQ(context->max_level(), limbs - 1);
    EXPECT_EQ(context->digit_count(limbs - 1), 2u);
  }
}

}  // namespace
}  // namespace thex::measure
