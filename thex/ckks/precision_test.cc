#include "thex/ckks/precision.h"

#include <gtest/gtest.h>

#include <vector>

namespace thex::ckks {
namespace {

TEST(Precision, StatisticsOfKnownErrors) {
  const std::vector<double> computed = {1.0, 2.25, 3.0, -0.5}, expected = {1.0, 2.0, 3.0 + 0x1p-10, -0.5 - 0x1p-3};
  const PrecisionStatistics s = precision(computed, expected);
  EXPECT_EQ(s.count, 4u);
  EXPECT_DOUBLE_EQ(s.min_bits, 2);
  EXPECT_DOUBLE_EQ(s.max_bits, kExactBits);
  EXPECT_DOUBLE_EQ(s.mean_bits, (60 + 2 + 10 + 3) / 4.0);
  EXPECT_DOUBLE_EQ(s.max_error, 0.25);
  EXPECT_DOUBLE_EQ(s.mean_error, (0.25 + 0x1p-10 + 0x1p-3) / 4);
}

TEST(Precision, ComplexAgainstReal) {
  const std::vector<std::complex<double>> computed = {{1, 0.5}};
  EXPECT_DOUBLE_EQ(precision(computed, std::vector<double>{1}).min_bits, 1);
}

TEST(Precision, NotANumberIsTheWorst) {
  const PrecisionStatistics s = precision(std::vector<double>{std::nan(""), 1}, std::vector<double>{0, 1});
  EXPECT_TRUE(std::isnan(s.max_error));
  EXPECT_EQ(s.min_bits, -kExactBits);
}

TEST(Precision, RefusesVectorsOfDifferentLength) {
  EXPECT_THROW(precision(std::vector<double>{1}, std::vector<double>{1, 2}), Error);
  EXPECT_THROW(precision(std::vector<double>{}, std::vector<double>{}), Error);
}

}  // namespace
}  // namespace thex::ckks
