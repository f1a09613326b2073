#include "thex/data/texts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "thex/base/error.h"

namespace thex::data {
namespace {

std::filesystem::path written(const TemporaryFolder& folder, const std::string& text) {
  const std::filesystem::path file = folder.path() / "a.txt";
  std::ofstream(file, std::ios::binary) << text;
  return file;
}

TEST(Texts, OneALineWithoutLabels) {
  const TemporaryFolder folder;
  const auto file = written(folder, "good film\r\n\n  \nbad\tone");
  const auto texts = read_texts(file, model::Task::classification);
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0].text, "good film");
  EXPECT_EQ(texts[1].text, "bad\tone");
  EXPECT_EQ(texts[0].label, -1);
  EXPECT_TRUE(std::isnan(texts[0].value));
  EXPECT_EQ(read_texts(file, model::Task::token_classification)[1].words, (std::vector<std::string>{"bad", "one"}));
}

TEST(Texts, PairsHaveATabBetween) {
  const TemporaryFolder folder;
  const auto texts = read_texts(written(folder, "a man\ta\tman\n\nb\tc\n"), model::Task::classification, true);
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0].text, "a man");
  EXPECT_EQ(texts[0].pair, "a\tman");
  EXPECT_EQ(texts[1].pair, "c");
  for (const char* wrong : {"a\tb\nalone\n", "a\t \n", "\tb\n"})
    EXPECT_THROW(read_texts(written(folder, wrong), model::Task::regression, true), Error) << wrong;
}

TEST(Texts, AFileWithoutAnyIsRefused) {
  const TemporaryFolder folder;
  EXPECT_THROW(read_texts(written(folder, "\n \n"), model::Task::classification), Error);
  EXPECT_THROW(read_texts(folder.path() / "none.txt", model::Task::classification), Error);
  EXPECT_THROW(read_texts(written(folder, "a\nb\xff\n"), model::Task::classification), Error);
}

TEST(Texts, OnlyATxtThatIsNotTaggedWords) {
  EXPECT_TRUE(is_texts("a/b.txt", model::Task::classification));
  EXPECT_TRUE(is_texts("b.TXT", model::Task::regression));
  EXPECT_FALSE(is_texts("b.txt", model::Task::token_classification));
  EXPECT_FALSE(is_texts("b.csv", model::Task::classification));
}

}  // namespace
}  // namespace thex::data
