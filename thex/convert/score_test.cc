#include "thex/convert/score.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/training.h"
#include "thex/base/error.h"

namespace thex::convert {
namespace {

// `wrong` of 400 examples: the first ones.
data::Outcomes outcomes(std::size_t wrong) {
  data::Outcomes o;
  for (std::size_t i = 0; i < 400; ++i) {
    o.gold.push_back(static_cast<int>(i % 2));
    o.predicted.push_back(i < wrong ? 1 - o.gold.back() : o.gold.back());
  }
  return o;
}

// Errors that both models make do not count: what is left is a binomial of those that one makes.
TEST(StandardErrorOfChange, IsPairedByExample) {
  const data::TaskSpec spec = testing::vote_task();
  EXPECT_EQ(standard_error_of_change(spec, outcomes(100), outcomes(100), 200, 1), 0);
  const double expected = 100 * std::sqrt(0.05 * 0.95 / 400);
  EXPECT_NEAR(standard_error_of_change(spec, outcomes(100), outcomes(120), 2000, 1), expected, 0.05 * expected);
  EXPECT_EQ(standard_error_of_change(spec, {}, {}, 200, 1), 0);
  EXPECT_THROW(standard_error_of_change(spec, outcomes(1), {}, 200, 1), Error);
}

}  // namespace
}  // namespace thex::convert
