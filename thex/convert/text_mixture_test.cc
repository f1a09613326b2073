#include "thex/convert/text_mixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/training.h"
#include "thex/base/error.h"

namespace thex::convert {
namespace {

const std::vector<std::int64_t> kWords = {30, 31, 32};
const DataSet kNone;

TextMixtureOptions hundred() {
  TextMixtureOptions o;
  o.count = 100;
  o.longest = 24;
  return o;
}

std::vector<double> no_distance(const DataSet& texts) { return std::vector<double>(texts.size(), 0); }

TEST(TextMixture, AnEpochHasItsSharesAndFollowsFromSeedAndNumber) {
  const DataSet task = testing::vote_data(300, 40, 9, 1), others = testing::vote_data(50, 40, 9, 2);
  const TextMixture mixture(task, others, kWords, hundred());
  const DataSet a = mixture.epoch(3, no_distance), b = mixture.epoch(3, no_distance), c = mixture.epoch(4, no_distance);
  ASSERT_EQ(a.size(), 100U);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].ids, b[i].ids);
  EXPECT_FALSE(std::ranges::equal(a, c, {}, &Sentence::ids, &Sentence::ids));
  EXPECT_EQ(std::ranges::count_if(a, [](const Sentence& s) { return s.text.empty(); }), 20);  // variants
  EXPECT_EQ(TextMixture(task, kNone, kWords, hundred()).epoch(0, no_distance).size(), 100U);
  const DataSet easy = mixture.epoch(3, nullptr);
  EXPECT_EQ(easy.size(), 100U);
  EXPECT_EQ(std::ranges::count_if(easy, [](const Sentence& s) { return s.text.empty(); }), 10);
}

TEST(TextMixture, EpochsGoThroughAllTextsOfTheTask) {
  const DataSet task = testing::vote_data(160, 40, 9, 1);
  const TextMixture mixture(task, kNone, kWords, hundred());
  std::multiset<std::string> seen;
  for (int epoch = 0; epoch < 2; ++epoch)
    for (const Sentence& s : mixture.epoch(epoch, no_distance))
      if (!s.text.empty()) seen.insert(s.text);
  std::multiset<std::string> all;
  for (const Sentence& s : task) all.insert(s.text);
  EXPECT_EQ(seen, all);
}

TEST(TextMixture, TheFarthestOfTheVariantsAreKept) {
  const DataSet task = testing::vote_data(300, 40, 9, 1);
  const TextMixture mixture(task, kNone, kWords, hundred());
  std::vector<double> lengths;
  const DataSet epoch = mixture.epoch(0, [&](const DataSet& texts) {
    for (const Sentence& s : texts) lengths.push_back(static_cast<double>(s.ids.size()));
    return lengths;
  });
  ASSERT_EQ(lengths.size(), 50U);
  std::ranges::sort(lengths, std::greater<>());
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(static_cast<double>(epoch[90 + i].ids.size()), lengths[i]) << i;
}

TEST(TextMixture, VariantsAreWholeTextsWithoutLabels) {
  const DataSet task = testing::vote_data(300, 40, 19, 1);
  const TextMixture mixture(task, kNone, kWords, hundred());
  std::mt19937_64 rng(5);
  int shorter = 0, longer = 0, same = 0;
  for (int i = 0; i < 400; ++i) {
    const Sentence& from = task[static_cast<std::size_t>(i % 300)];
    const Sentence s = mixture.vary(from, 0.1, rng);
    EXPECT_EQ(s.ids.front(), from.ids.front());
    EXPECT_EQ(s.ids.back(), from.ids.back());
    EXPECT_EQ(std::ranges::count(s.ids, from.ids.back()), 1);
    EXPECT_EQ(s.ids.size(), s.types.size());
    EXPECT_LE(s.ids.size(), 24U);
    EXPECT_EQ(s.label, -1);
    shorter += s.ids.size()<from.ids.size(), longer += s.ids.size()> from.ids.size();
    same += s.ids.size() == from.ids.size();
  }
  EXPECT_GT(shorter, 10);
  EXPECT_GT(longer, 10);
  EXPECT_GT(same, 200);
}

// The second text of a pair and the first pieces of words stay where they are; what is joined comes after them.
TEST(TextMixture, PairsAndSentencesOfWordsKeepTheirPlaces) {
  Sentence pair = testing::vote_data(1, 40, 9, 3)[0];
  pair.ids = {2, 7, 8, 9, 10, 3, 11, 12, 13, 3};
  pair.types = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
  Sentence words = pair;
  words.types.assign(10, 0);
  words.first = {1, 3, 4};
  const DataSet task = {pair, words};
  const TextMixture mixture(task, kNone, kWords, hundred());
  std::mt19937_64 rng(5);
  int longest = 0;
  for (int i = 0; i < 400; ++i)
    for (const Sentence& from : task) {
      const Sentence s = mixture.vary(from, i < 200 ? 0 : 1, rng);
      if (i < 200) {
        ASSERT_EQ(s.ids.size(), 10U);
      } else {
        ASSERT_GT(s.ids.size(), 10U);
      }
      ASSERT_EQ(s.types.size(), s.ids.size());
      EXPECT_EQ(s.ids[5], 3);
      EXPECT_TRUE(std::equal(from.types.begin(), from.types.end(), s.types.begin()));
      EXPECT_EQ(s.types.back(), from.types.back());
      EXPECT_EQ(s.ids.back(), 3);
      EXPECT_EQ(s.first, from.first);
      longest += s.ids.size() == 24;
    }
  EXPECT_GT(longest, 100) << "a third";
  EXPECT_THROW(TextMixture(kNone, task, kWords, hundred()), Error);
}

}  // namespace
}  // namespace thex::convert
