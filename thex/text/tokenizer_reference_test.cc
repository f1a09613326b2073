// Compares the tokenizer with Hugging Face's own (tests/node) on real lines and on every assigned Unicode character.
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/models.h"
#include "thex/base/file.h"
#include "thex/text/tokenizer.h"
#include "thex/text/unicode.h"

namespace thex::text {
namespace {

struct Case {
  std::string text;
  std::optional<std::string> pair;
  int max_length = 0;              // 0: no truncation
  std::vector<std::string> words;  // instead of `text`: a sentence of given words
};

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

class TokenizerReference : public ::testing::Test {
 protected:
  void SetUp() override {
    data_ = support::data_folder();
    script_ = std::filesystem::path(THEX_SOURCE_DIR) / "tests/node/tokenizer_ids.mjs";
    if (data_.empty()) GTEST_SKIP() << "no optional test data (THEX_DATA)";
    if (!std::filesystem::exists(script_.parent_path() / "node_modules/@huggingface/tokenizers")) {
      GTEST_SKIP() << "the reference is not installed (npm ci --prefix tests/node)";
    }
    if (std::system("command -v node > /dev/null 2>&1") != 0) GTEST_SKIP() << "Node.js is not installed";
  }

  // Runs both over the cases. More than `allowed` differences are a failure that shows the first ten.
  void compare(const std::vector<Case>& cases, std::size_t allowed = 0) {
    const support::TemporaryFolder folder;
    const auto in = folder.path() / "cases", out = folder.path() / "ids";
    {
      std::ofstream file(in);
      for (const Case& c : cases) {
        nlohmann::json line = {c.text, nullptr};
        if (!c.words.empty()) line[0] = c.words;
        if (c.pair) line[1] = *c.pair;
        if (c.max_length > 0) line.push_back(c.max_length);
        file << line.dump(-1, ' ', true) << '\n';
      }
    }
    const std::string command = "node " + quoted(script_) + " " + quoted(data_ / "minilm-l6-v2/tokenizer.json") +
                                " < " + quoted(in) + " > " + quoted(out);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    const Tokenizer tokenizer = Tokenizer::load(data_ / "minilm-l6-v2/vocab.txt");
    std::ifstream file(out);
    std::string expected;
    std::vector<std::string> differences;
    for (const Case& c : cases) {
      ASSERT_TRUE(std::getline(file, expected));
      const int length = c.max_length > 0 ? c.max_length : 1 << 30;
      const Encoding encoding =
          c.words.empty() ? tokenizer.encode(c.text, c.pair, length) : tokenizer.encode_words(c.words, length);
      std::string actual;
      for (const auto id : encoding.ids) actual += std::to_string(id) + " ";
      actual += "|";
      for (const auto type : c.words.empty() ? encoding.type_ids : encoding.words) actual += " " + std::to_string(type);
      if (actual == expected) continue;
      differences.push_back(nlohmann::json(c.text).dump(-1, ' ', true) + " with " +
                            nlohmann::json(c.pair.value_or("")).dump(-1, ' ', true) + ", max_length " +
                            std::to_string(c.max_length) + "\n  ours:         " + actual +
                            "\n  Hugging Face: " + expected + "\n");
    }
    EXPECT_LE(differences.size(), allowed) << "of " << cases.size() << " cases";
    for (std::size_t i = 0; differences.size() > allowed && i < std::min<std::size_t>(10, differences.size()); ++i) {
      ADD_FAILURE() << differences[i];
    }
    RecordProperty("cases", static_cast<int>(cases.size()));
  }

  // Columns `text` and `pair` (none: -1) of a file in the data folder, at most `limit` lines.
  void add_lines(std::vector<Case>& cases, const std::string& name, int text, int pair, std::size_t limit) {
    std::ifstream file(data_ / "glue" / name);
    ASSERT_TRUE(file) << name;
    std::string line;
    for (std::size_t i = 0; i < limit && std::getline(file, line); ++i) {
      std::vector<std::string> columns;
      std::istringstream stream(line);
      for (std::string column; std::getline(stream, column, '\t');) columns.push_back(column);
      const auto at = [&](int column) {
        return static_cast<std::size_t>(column) < columns.size() ? columns[static_cast<std::size_t>(column)] : "";
      };
      Case c{at(text), std::nullopt, 0, {}};
      // An empty pair means no pair to the reference.
      if (pair >= 0 && !at(pair).empty()) c.pair = at(pair);
      cases.push_back(std::move(c));
    }
  }

  std::filesystem::path data_, script_;
};

TEST_F(TokenizerReference, RealLinesAlone) {
  std::vector<Case> cases;
  add_lines(cases, "SST-2/dev.tsv", 0, -1, 1000000);
  add_lines(cases, "SST-2/train.tsv", 0, -1, 8000);
  add_lines(cases, "CoLA/train.tsv", 3, -1, 4000);
  add_lines(cases, "CoLA/dev.tsv", 3, -1, 1000000);
  ASSERT_GT(cases.size(), 10000u);
  compare(cases);
}

TEST_F(TokenizerReference, RealPairsWithAndWithoutTruncation) {
  std::vector<Case> cases;
  add_lines(cases, "MRPC/train.tsv", 3, 4, 1000000);
  add_lines(cases, "RTE/dev.tsv", 1, 2, 1000000);
  add_lines(cases, "RTE/train.tsv", 1, 2, 1000000);
  add_lines(cases, "QNLI/dev.tsv", 1, 2, 3000);
  ASSERT_GT(cases.size(), 9000u);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (i % 3 != 0) cases[i].max_length = 3 + static_cast<int>(i % 97);
    if (i % 7 == 1) cases[i].pair.reset();
  }
  compare(cases);
}

// Sentences of given words: ids and the word of each token. Words are those between blanks, punctuation inside them.
TEST_F(TokenizerReference, GivenWords) {
  std::vector<Case> lines, cases;
  add_lines(lines, "CoLA/train.tsv", 3, -1, 3000);
  add_lines(lines, "MRPC/train.tsv", 3, -1, 3000);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Case c{.text = lines[i].text, .max_length = i % 3 == 0 ? 2 + static_cast<int>(i % 31) : 0};
    std::istringstream words(c.text);
    for (std::string word; words >> word;) c.words.push_back(word);
    if (i % 5 == 0) c.words.push_back("\u200d");
    if (!c.words.empty()) cases.push_back(std::move(c));
  }
  ASSERT_GT(cases.size(), 5000u);
  compare(cases);
}

// Each assigned character of the Unicode version of our tables, alone and inside a word. Left out is what the reference
// does differently from BertTokenizerFast: it puts no spaces around ideographs beyond U+FFFF.
TEST_F(TokenizerReference, EveryCharacter) {
  std::vector<Case> cases;
  for (char32_t c = 1; c < 0x110000; ++c) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    if (category == UTF8PROC_CATEGORY_CN || category == UTF8PROC_CATEGORY_CS) continue;
    if (category == UTF8PROC_CATEGORY_CO && c % 997 != 0) continue;  // private use: a sample
    if (c > 0xffff && is_cjk(c)) continue;
    if (c >= 0xac00 && c < 0xd7a4 && c % 16 != 0) continue;  // Hangul syllables: a sample
    if (c >= 0x3400 && c < 0x9fff && c % 16 != 0) continue;  // ideographs: a sample
    std::string character;
    append_utf8(character, c);
    cases.push_back({character + " a" + character + "b", std::nullopt, 0, {}});
  }
  ASSERT_GT(cases.size(), 40000u);
  compare(cases, 8);
}

TEST_F(TokenizerReference, NastyLines) {
  std::vector<Case> cases;
  std::ifstream file(std::filesystem::path(THEX_SOURCE_DIR) / "thex/text/testdata/tokenizer_golden.jsonl");
  ASSERT_TRUE(file);
  for (std::string line; std::getline(file, line);) {
    const auto golden = nlohmann::json::parse(line);
    cases.push_back({golden.at("text").get<std::string>(), std::nullopt, 0, {}});
  }
  ASSERT_GT(cases.size(), 50u);
  compare(cases);
}

}  // namespace
}  // namespace thex::text
