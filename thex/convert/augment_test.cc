#include "thex/convert/augment.h"

#include <gtest/gtest.h>

#include "tests/support/training.h"
#include "thex/base/error.h"
#include "thex/convert/losses.h"

namespace thex::convert {
namespace {

TEST(Augment, ReplacesOnlyWholeWordsByTheirNeighbours) {
  const DataSet data = testing::vote_data(200, 40, 13, 1);
  // Words 2k and 2k+1 lie close together, far from the others.
  torch::Tensor words = at::zeros({40, 20});
  for (std::int64_t i = 0; i < 40; ++i) words[i][i / 2] = i % 2 == 0 ? 1.0 : 1.1;
  std::vector<char> replaceable(40, 1);
  for (std::size_t i = 0; i < 10; ++i) replaceable[i] = 0;
  AugmentOptions o;
  o.count = 300;
  o.replace = 1;
  o.join = 0;
  o.neighbours = 1;
  const DataSet made = augment(data, words, replaceable, o);
  ASSERT_EQ(made.size(), 300U);
  for (const Sentence& s : made) {
    EXPECT_EQ(s.label, -1);
    EXPECT_EQ(s.ids.size(), s.types.size());
    bool found = false;  // some original differs from it exactly by the swap within pairs
    for (const Sentence& d : data) {
      if (d.ids.size() != s.ids.size()) continue;
      bool same = true;
      for (std::size_t i = 0; i < s.ids.size() && same; ++i)
        same = s.ids[i] == (d.ids[i] < 10 ? d.ids[i] : (d.ids[i] ^ 1));
      found = found || same;
    }
    EXPECT_TRUE(found);
  }
}

TEST(Augment, JoinsWithinTheLimitAndIsDeterministic) {
  const DataSet data = testing::vote_data(200, 40, 13, 1);
  AugmentOptions o;
  o.count = 200;
  o.join = 1;
  o.max_length = 20;
  const torch::Tensor words = at::eye(40);
  const std::vector<char> replaceable(40, 1);
  const DataSet a = augment(data, words, replaceable, o), b = augment(data, words, replaceable, o);
  std::size_t longest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].ids, b[i].ids);
    EXPECT_LE(a[i].ids.size(), 20U);
    longest = std::max(longest, a[i].ids.size());
  }
  EXPECT_GT(longest, 15U);
  o.min_length = 100;
  EXPECT_THROW(augment(data, words, replaceable, o), Error);
}

TEST(LabelLoss, IgnoresExamplesWithoutALabel) {
  Output out;
  out.logits = at::tensor({2.0F, 0.0F, -5.0F, 5.0F}).view({2, 2});
  Batch batch;
  batch.labels = at::tensor({0L, -1L}, torch::kInt64);
  batch.weight = at::ones({2});
  EXPECT_NEAR(label_loss({})(out, batch).item<double>(), std::log1p(std::exp(-2.0)), 1e-6);
}

}  // namespace
}  // namespace thex::convert
