#include "thex/convert/data.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/training.h"
#include "thex/base/error.h"

namespace thex::convert {
namespace {

std::multiset<std::string> texts(const DataSet& data) {
  std::multiset<std::string> out;
  for (const Sentence& s : data) out.insert(s.text);
  return out;
}

TEST(HoldOut, IsDeterministicDisjointAndCoversEverything) {
  const DataSet all = testing::vote_data(2000, 400, 21, 1);
  const Split a = hold_out(all, 200, 9), b = hold_out(all, 200, 9), c = hold_out(all, 200, 10);
  EXPECT_EQ(texts(a.held_out), texts(b.held_out));
  EXPECT_EQ(texts(a.train), texts(b.train));
  EXPECT_NE(texts(a.held_out), texts(c.held_out));
  EXPECT_EQ(a.held_out.size(), 200U);
  EXPECT_EQ(a.held_out_long, 60U);
  EXPECT_EQ(a.train.size() + a.held_out.size() + a.dropped, all.size());
  const auto held = texts(a.held_out);
  for (const Sentence& s : a.train) EXPECT_EQ(held.count(s.text), 0U) << s.text;
  std::size_t shortest_long = 1000;
  for (std::size_t i = 0; i < a.held_out_long; ++i) shortest_long = std::min(shortest_long, a.held_out[i].ids.size());
  EXPECT_GE(shortest_long, 19U);
}

TEST(HoldOut, DropsPhrasesOfHeldOutSentences) {
  DataSet all;
  auto add = [&](const std::string& text, std::size_t tokens) {
    Sentence s;
    s.text = text;
    s.ids.assign(tokens, 5);
    s.types.assign(tokens, 0);
    s.label = 0;
    all.push_back(s);
  };
  for (int i = 0; i < 10; ++i) {
    const std::string n = std::to_string(i);
    std::string part;
    for (const char letter : {'b', 'c', 'd', 'e'}) part.append(part.empty() ? "" : " ").append(1, letter).append(n);
    add("a" + n + ' ' + part + " f" + n, 8);
    for (int k = 0; k < 9; ++k) add(part, 6);
  }
  const Split split = hold_out(all, 10, 3);
  ASSERT_EQ(split.held_out_long, 3U);
  for (std::size_t i = 0; i < split.held_out_long; ++i) {
    const std::string part = split.held_out[i].text.substr(3, 11);
    for (const Sentence& s : split.train) EXPECT_NE(s.text, part);
  }
}

TEST(HoldOut, NeedsEnoughData) { EXPECT_THROW(hold_out(testing::vote_data(30, 40, 9, 1), 10, 1), Error); }

TEST(Batches, CoverEveryExampleOnceInAnOrderOfTheSeed) {
  const DataSet data = testing::vote_data(500, 40, 21, 4);
  for (const auto& batches : {shuffled_batches(data, 32, 1, 0), sorted_batches(data, 32)}) {
    std::multiset<std::size_t> seen;
    for (const auto& b : batches) {
      EXPECT_LE(b.size(), 32U);
      seen.insert(b.begin(), b.end());
    }
    ASSERT_EQ(seen.size(), data.size());
    EXPECT_EQ(std::set<std::size_t>(seen.begin(), seen.end()).size(), data.size());
  }
  EXPECT_EQ(shuffled_batches(data, 32, 1, 0), shuffled_batches(data, 32, 1, 0));
  EXPECT_NE(shuffled_batches(data, 32, 1, 0), shuffled_batches(data, 32, 1, 1));
  EXPECT_NE(shuffled_batches(data, 32, 1, 0), shuffled_batches(data, 32, 2, 0));
}

TEST(Batches, CollatePadsAndKeepsIds) {
  const DataSet data = testing::vote_data(20, 40, 21, 4);
  const Batch b = collate(data, {3, 7, 11}, torch::kCPU, 0.5, mean_length(data));
  const torch::Tensor ids = b.unique.index_select(0, b.ids.flatten()).view(b.ids.sizes());
  for (std::int64_t r = 0; r < 3; ++r) {
    const Sentence& s = data[static_cast<std::size_t>(std::vector<int>{3, 7, 11}[static_cast<std::size_t>(r)])];
    const auto length = static_cast<std::int64_t>(s.ids.size());
    EXPECT_EQ(b.mask[r].sum().item<std::int64_t>(), length);
    for (std::int64_t c = 0; c < b.ids.size(1); ++c) {
      EXPECT_EQ(ids[r][c].item<std::int64_t>(), c < length ? s.ids[static_cast<std::size_t>(c)] : 0);
      EXPECT_EQ(b.mask[r][c].item<float>(), c < length ? 1.0F : 0.0F);
    }
    EXPECT_EQ(b.labels[r].item<std::int64_t>(), s.label);
  }
}

text::Tokenizer small_tokenizer() {
  return text::Tokenizer::from_tokens(
      {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "u", "##n", "rules", "rome", "and", "##s"});
}

TEST(Tokenize, PairsHaveTwoSegments) {
  data::Example e;
  e.text = "the un", e.pair = "rome rules", e.label = 1;
  const DataSet data = tokenize({e}, model::Task::classification, small_tokenizer(), 32);
  EXPECT_EQ(data[0].ids, (std::vector<std::int64_t>{2, 5, 6, 7, 3, 9, 8, 3}));
  EXPECT_EQ(data[0].types, (std::vector<std::int64_t>{0, 0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(data[0].label, 1);
  EXPECT_TRUE(data[0].first.empty());
}

TEST(Tokenize, TagsStandAtFirstPieces) {
  data::Example e;
  e.words = {"the", "Uns", "rules", "Rome"};
  e.tags = {0, 1, 0, 2};
  const text::Tokenizer tokenizer = small_tokenizer();
  DataSet data = tokenize({e}, model::Task::token_classification, tokenizer, 32);
  EXPECT_EQ(data[0].ids, (std::vector<std::int64_t>{2, 5, 6, 7, 11, 8, 9, 3}));
  EXPECT_EQ(data[0].first, (std::vector<std::int64_t>{1, 2, 5, 6}));
  EXPECT_EQ(data[0].tags, e.tags);
  // A word of nothing but a control character has no piece.
  e.words[2] = "\x01";
  data = tokenize({e}, model::Task::token_classification, tokenizer, 32);
  EXPECT_EQ(data[0].ids, (std::vector<std::int64_t>{2, 5, 6, 7, 11, 9, 3}));
  EXPECT_EQ(data[0].first, (std::vector<std::int64_t>{1, 2, 5}));
  const Batch batch = collate(data, {0}, torch::kCPU);
  EXPECT_TRUE(at::equal(batch.tags, at::tensor(std::vector<std::int64_t>{0, 1, 2})));
  // Too long: words whose first piece is gone have no position, their tags stay for the metric.
  data = tokenize({e}, model::Task::token_classification, tokenizer, 5);
  EXPECT_EQ(data[0].ids, (std::vector<std::int64_t>{2, 5, 6, 7, 3}));
  EXPECT_EQ(data[0].first, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(data[0].tags, e.tags);
}

}  // namespace
}  // namespace thex::convert
