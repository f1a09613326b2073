#include "thex/data/metrics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "tests/support/data_files.h"

namespace thex::data {
namespace {

using ::testing::HasSubstr;
using Labels = std::vector<std::string>;

const Labels kTwo = {"no", "yes"}, kThree = {"a", "b", "c"};
const Labels kTags = {"O", "B-PER", "I-PER", "B-MISC", "I-MISC"};

Outcomes classes(std::vector<int> predicted, std::vector<int> gold) {
  Outcomes o;
  o.predicted = std::move(predicted), o.gold = std::move(gold);
  return o;
}

Outcomes values(std::vector<double> predicted, std::vector<double> gold) {
  Outcomes o;
  o.predicted_value = std::move(predicted), o.gold_value = std::move(gold);
  return o;
}

Outcomes tags(const std::vector<Labels>& predicted, const std::vector<Labels>& gold, const Labels& labels) {
  const auto indices = [&](const std::vector<Labels>& sentences) {
    std::vector<std::vector<int>> out;
    for (const Labels& sentence : sentences) {
      out.emplace_back();
      for (const std::string& tag : sentence)
        out.back().push_back(static_cast<int>(std::find(labels.begin(), labels.end(), tag) - labels.begin()));
    }
    return out;
  };
  Outcomes o;
  o.predicted_tags = indices(predicted), o.gold_tags = indices(gold);
  return o;
}

TEST(Metrics, TwoClassesByHand) {
  const Outcomes o = classes({0, 1, 1, 0}, {0, 1, 0, 0});  // one true, one false positive, two true negatives
  EXPECT_DOUBLE_EQ(score(Metric::accuracy, o, kTwo), 0.75);
  EXPECT_DOUBLE_EQ(score(Metric::f1, o, kTwo), 2.0 / 3);
  EXPECT_DOUBLE_EQ(score(Metric::matthews, o, kTwo), 2 / std::sqrt(12.0));
  EXPECT_DOUBLE_EQ(score(Metric::matthews, classes({1, 0, 1, 0}, {0, 1, 0, 1}), kTwo), -1);
  EXPECT_DOUBLE_EQ(score(Metric::matthews, classes({1, 1, 1, 1}, {0, 1, 0, 1}), kTwo), 0);
  EXPECT_DOUBLE_EQ(score(Metric::f1, classes({0, 0}, {0, 0}), kTwo), 0);
}

TEST(Metrics, ThreeClassesByHand) {
  const Outcomes o = classes({0, 0, 1, 2, 2, 2}, {0, 0, 1, 1, 2, 2});
  EXPECT_DOUBLE_EQ(score(Metric::accuracy, o, kThree), 5.0 / 6);
  EXPECT_DOUBLE_EQ(score(Metric::f1, o, kThree), (1 + 2.0 / 3 + 0.8) / 3);
  // 5 right of 6; predicted 2, 1, 3 times, gold 2, 2, 2: (5 * 6 - 12) / sqrt((36 - 14) (36 - 12)).
  EXPECT_DOUBLE_EQ(score(Metric::matthews, o, kThree), 18 / std::sqrt(528.0));
  EXPECT_DOUBLE_EQ(score(Metric::matthews, classes({0, 2, 1, 0, 0, 1}, {0, 1, 2, 0, 1, 2}), kThree), 0);
  EXPECT_DOUBLE_EQ(score(Metric::f1, classes({0, 0, 1}, {0, 0, 1}), kThree), 1) << "a class that does not occur";
}

TEST(Metrics, CorrelationsByHand) {
  const Outcomes o = values({1, 2, 3, 4, 5}, {2, 4, 5, 4, 5});
  EXPECT_NEAR(score(Metric::pearson, o, {}), 6 / std::sqrt(60.0), 1e-15);
  // Ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4.
  EXPECT_NEAR(score(Metric::spearman, values({1, 2, 2, 3}, {10, 30, 20, 40}), {}), 4.5 / std::sqrt(22.5), 1e-15);
  // Intelligence quotient and hours of television a week, the usual textbook example: -29/165.
  EXPECT_NEAR(score(Metric::spearman,
                    values({106, 100, 86, 101, 99, 103, 97, 113, 112, 110}, {7, 27, 2, 50, 28, 29, 20, 12, 6, 17}), {}),
              -29.0 / 165, 1e-15);
  EXPECT_EQ(score(Metric::pearson, values({1, 1, 1}, {1, 2, 3}), {}), 0);
  EXPECT_NEAR(score(Metric::pearson, values({1e9 + 1, 1e9 + 2, 1e9 + 3}, {1, 2, 3}), {}), 1, 1e-9);
}

// A correlation has no unit: factors that make squares overflow or vanish change nothing.
TEST(Metrics, CorrelationsOfHugeAndTinyValues) {
  const std::vector<double> x = {1, 2, 4, 3}, y = {2, 1, 5, 6};
  const double expected = score(Metric::pearson, values(x, y), kTwo);
  ASSERT_GT(expected, 0.5);
  for (const double factor : {1e-300, 1e-160, 1e160, 1e307}) {
    std::vector<double> scaled = y;
    for (double& v : scaled) v *= factor;
    EXPECT_NEAR(score(Metric::pearson, values(x, scaled), kTwo), expected, 1e-12) << factor;
    EXPECT_NEAR(score(Metric::pearson, values(scaled, x), kTwo), expected, 1e-12) << factor;
  }
}

TEST(Metrics, EntitiesByHand) {
  // The example of seqeval's documentation: one of two entities has its start wrong.
  const Outcomes o = tags({{"O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"}, {"B-PER", "I-PER", "O"}},
                          {{"O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"}, {"B-PER", "I-PER", "O"}}, kTags);
  EXPECT_DOUBLE_EQ(score(Metric::entity_f1, o, kTags), 0.5);
  EXPECT_DOUBLE_EQ(score(Metric::accuracy, o, kTags), 0.8);
  const auto f1 = [](const Labels& predicted, const Labels& gold) {
    return score(Metric::entity_f1, tags({predicted}, {gold}, kTags), kTags);
  };
  EXPECT_DOUBLE_EQ(f1({"I-PER", "I-PER"}, {"B-PER", "I-PER"}), 1) << "IOB1 and IOB2 are the same entities";
  EXPECT_DOUBLE_EQ(f1({"B-PER", "B-PER"}, {"B-PER", "I-PER"}), 0) << "two entities for one";
  EXPECT_DOUBLE_EQ(f1({"B-PER", "I-MISC"}, {"B-PER", "B-MISC"}), 1) << "another type starts an entity";
  EXPECT_DOUBLE_EQ(f1({"B-PER", "I-PER"}, {"B-MISC", "I-MISC"}), 0) << "the type counts";
  EXPECT_DOUBLE_EQ(f1({"B-PER", "O", "O"}, {"B-PER", "O", "B-MISC"}), 2.0 / 3);
  EXPECT_DOUBLE_EQ(f1({"O", "O"}, {"O", "O"}), 0) << "nothing to find";
  // An entity does not go on in the next sentence.
  EXPECT_DOUBLE_EQ(score(Metric::entity_f1, tags({{"B-PER"}, {"I-PER"}}, {{"B-PER"}, {"B-PER"}}, kTags), kTags), 1);
}

// conlleval's own way of counting: one pass over all tags of prediction and truth, noting where chunks start and end.
double conlleval(const Outcomes& o, const Labels& labels) {
  struct Tag {
    char tag = 'O';
    std::string type;
  };
  const auto starts = [](const Tag& before, const Tag& now) {
    return now.tag == 'B' || (now.tag == 'I' && before.tag == 'O') || (now.tag != 'O' && before.type != now.type);
  };
  const auto ends = [](const Tag& before, const Tag& now) {
    return (before.tag != 'O' && (now.tag == 'B' || now.tag == 'O')) || (before.tag != 'O' && before.type != now.type);
  };
  double right = 0, found = 0, gold = 0;
  bool inside = false;
  Tag last_p, last_g;
  const auto step = [&](const Tag& p, const Tag& g) {
    if (inside) {
      if (ends(last_p, p) && ends(last_g, g) && last_p.type == last_g.type) {
        inside = false;
        ++right;
      } else if (ends(last_p, p) != ends(last_g, g) || p.type != g.type) {
        inside = false;
      }
    }
    if (starts(last_p, p) && starts(last_g, g) && p.type == g.type) inside = true;
    gold += starts(last_g, g);
    found += starts(last_p, p);
    last_p = p, last_g = g;
  };
  const auto tag = [&](int label) {
    const std::string& name = labels[static_cast<std::size_t>(label)];
    return Tag{name[0], name.size() > 2 ? name.substr(2) : ""};
  };
  for (std::size_t i = 0; i < o.gold_tags.size(); ++i) {
    for (std::size_t w = 0; w < o.gold_tags[i].size(); ++w) step(tag(o.predicted_tags[i][w]), tag(o.gold_tags[i][w]));
    step({}, {});
  }
  return found + gold > 0 ? 2 * right / (found + gold) : 0;
}

TEST(Metrics, EntitiesAsConllevalCountsThem) {
  std::mt19937 random(7);
  for (int run = 0; run < 500; ++run) {
    Outcomes o;
    for (std::size_t i = 0; i < 1 + random() % 4; ++i) {
      o.gold_tags.emplace_back();
      o.predicted_tags.emplace_back();
      for (std::size_t w = 0; w < random() % 8; ++w) {
        const int gold = static_cast<int>(random() % kTags.size());
        o.gold_tags.back().push_back(gold);
        o.predicted_tags.back().push_back(random() % 4 ? gold : static_cast<int>(random() % kTags.size()));
      }
    }
    EXPECT_DOUBLE_EQ(score(Metric::entity_f1, o, kTags), conlleval(o, kTags)) << "run " << run;
  }
}

template <typename T>
void permute(std::vector<T>& values, const std::vector<std::size_t>& order) {
  std::vector<T> out;
  for (const std::size_t i : order) out.push_back(values[i]);
  values = std::move(out);
}

TEST(Metrics, PropertiesOfAll) {
  std::mt19937 random(3);
  for (int run = 0; run < 100; ++run) {
    const std::size_t n = 3 + random() % 40;
    Outcomes o;
    for (std::size_t i = 0; i < n; ++i) {
      o.predicted.push_back(static_cast<int>(random() % 3));
      o.gold.push_back(i < 3 ? static_cast<int>(i) : static_cast<int>(random() % 3));  // every class occurs
      o.predicted_value.push_back(static_cast<double>(random() % 5));
      o.gold_value.push_back(i < 2 ? static_cast<double>(i) : static_cast<double>(random() % 5));
    }
    Outcomes tagged;
    for (std::size_t i = 0; i < n; ++i) {
      tagged.gold_tags.push_back({1, static_cast<int>(random() % 5), static_cast<int>(random() % 5)});
      tagged.predicted_tags.push_back({static_cast<int>(random() % 5), 0, static_cast<int>(random() % 5)});
    }
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    const auto check = [&](Metric metric, const Outcomes& outcomes, const Labels& labels) {
      const double value = score(metric, outcomes, labels);
      EXPECT_GE(value, -1) << name(metric);
      EXPECT_LE(value, 1) << name(metric);
      Outcomes other = outcomes;
      if (!other.gold_tags.empty()) {
        permute(other.gold_tags, order), permute(other.predicted_tags, order);
      } else {
        permute(other.gold, order), permute(other.predicted, order);
        permute(other.gold_value, order), permute(other.predicted_value, order);
      }
      EXPECT_NEAR(score(metric, other, labels), value, 1e-12) << name(metric);
      other = outcomes;
      other.predicted = other.gold;
      other.predicted_value = other.gold_value;
      other.predicted_tags = other.gold_tags;
      EXPECT_NEAR(score(metric, other, labels), 1, 1e-12) << name(metric);
    };
    for (const Metric m : {Metric::accuracy, Metric::f1, Metric::matthews, Metric::pearson, Metric::spearman})
      check(m, o, kThree);
    for (const Metric m : {Metric::accuracy, Metric::entity_f1}) check(m, tagged, kTags);
    // Spearman sees the order alone, Pearson is blind to scale and offset, Matthews is symmetric.
    Outcomes moved = o;
    for (double& x : moved.predicted_value) x = std::exp(x);
    EXPECT_NEAR(score(Metric::spearman, moved, {}), score(Metric::spearman, o, {}), 1e-12);
    for (std::size_t i = 0; i < n; ++i) moved.predicted_value[i] = 3 * o.predicted_value[i] - 7;
    EXPECT_NEAR(score(Metric::pearson, moved, {}), score(Metric::pearson, o, {}), 1e-12);
    EXPECT_NEAR(score(Metric::matthews, classes(o.gold, o.predicted), kThree), score(Metric::matthews, o, kThree),
                1e-12);
  }
}

TEST(Metrics, AllOfATask) {
  const auto both = scores(preset("mrpc"), classes({0, 1, 1, 0}, {0, 1, 0, 0}));
  EXPECT_EQ(both.size(), 2u);
  EXPECT_DOUBLE_EQ(both.at("accuracy"), 0.75);
  EXPECT_DOUBLE_EQ(both.at("f1"), 2.0 / 3);
}

TEST(Metrics, WrongUse) {
  const auto refuses = [](Metric metric, const Outcomes& o, const Labels& labels) {
    return support::error_of(ErrorCode::usage, [&] { score(metric, o, labels); });
  };
  EXPECT_THAT(refuses(Metric::accuracy, classes({0}, {0, 1}), kTwo), HasSubstr("not 1 for 2"));
  EXPECT_THAT(refuses(Metric::accuracy, {}, kTwo), HasSubstr("0 for 0"));
  EXPECT_THAT(refuses(Metric::accuracy, classes({2}, {0}), kTwo), HasSubstr("class 2"));
  EXPECT_THAT(refuses(Metric::f1, classes({0}, {-1}), kTwo), HasSubstr("class -1"));
  EXPECT_THAT(refuses(Metric::pearson, classes({0}, {0}), kTwo), HasSubstr("values"));
  EXPECT_THAT(refuses(Metric::spearman, values({1}, {std::numeric_limits<double>::quiet_NaN()}), {}),
              HasSubstr("finite"));
  Outcomes o;
  o.predicted_tags = {{0}}, o.gold_tags = {{0, 1}};
  EXPECT_THAT(refuses(Metric::entity_f1, o, kTags), HasSubstr("sentence 0 has 2 tags, 1 are predicted"));
  o.predicted_tags = {{0, 9}};
  EXPECT_THAT(refuses(Metric::entity_f1, o, kTags), HasSubstr("tag 9"));
  EXPECT_THAT(refuses(Metric::entity_f1, o, {"NN", "VB"}), HasSubstr("\"NN\" is no tag"));
}

}  // namespace
}  // namespace thex::data
