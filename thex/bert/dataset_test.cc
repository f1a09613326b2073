#include "thex/bert/dataset.h"

#include "thex/base/file.h"
#include "thex/bert/testing.h"

namespace thex::bert {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

class DatasetTest : public ::testing::Test {
 protected:
  std::vector<Example> read(const std::string& text, const std::string& pair = "") {
    write_file_atomically(path_, text);
    return read_tsv(path_, "sentence", "label", 2, pair);
  }
  std::string rejection(const std::string& text) {
    return error_of(ErrorCode::input, [&] { read(text); });
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "x.tsv";
};

TEST_F(DatasetTest, ReadsSst2sLayout) {
  const auto examples = read("sentence\tlabel\nit 's \"good\" \t1\n\t0\n");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].text, "it 's \"good\" ");
  EXPECT_EQ(examples[0].label, 1);
  EXPECT_FALSE(examples[0].pair);
  EXPECT_EQ(examples[1].text, "");
  EXPECT_EQ(examples[1].label, 0);
}

TEST_F(DatasetTest, ReadsOtherColumnsMarksAndLineEnds) {
  const auto examples = read("\xef\xbb\xbflabel\tid\tsentence\tother\r\n0\t7\tä\tb\r\n1\t8\tc\td", "other");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].text, "ä");
  EXPECT_EQ(examples[0].pair, "b");
  EXPECT_EQ(examples[1].pair, "d");
  EXPECT_EQ(examples[1].label, 1);
}

TEST_F(DatasetTest, ErrorsGiveFileAndLine) {
  EXPECT_NE(rejection("text\tlabel\na\t1\n").find("x.tsv:1: no column \"sentence\""), std::string::npos);
  EXPECT_NE(rejection("sentence\tlabel\na\t1\nb\t2\n").find("x.tsv:3: label \"2\" is not a number from 0 to 1"),
            std::string::npos);
  for (const char* label : {"-1", "", "1x", "one", "99999999999", " 1", "1.0"}) {
    EXPECT_NE(rejection(std::string("sentence\tlabel\na\t") + label + "\n").find(":2: label"), std::string::npos)
        << label;
  }
  EXPECT_NE(rejection("sentence\tlabel\na\n").find(":2: the line has 1 columns, the header has 2"), std::string::npos);
  EXPECT_NE(rejection("sentence\tlabel\na\tb\t1\n").find("3 columns"), std::string::npos);
  EXPECT_NE(rejection("sentence\tlabel\na\xff\t1\n").find(":2: not UTF-8 at byte 1"), std::string::npos);
  EXPECT_NE(rejection("sentence\tlabel\n" + std::string((1u << 20) + 1, 'a')).find(":2: the line has 1048577 bytes"),
            std::string::npos);
  EXPECT_NE(rejection("sentence\tlabel\n").find("no examples"), std::string::npos);
  EXPECT_NE(rejection("").find("no examples"), std::string::npos);
  error_of(ErrorCode::file, [] { read_tsv("/nonexistent.tsv", "sentence", "label", 2); });
}

TEST_F(DatasetTest, ReadsGlue) {
  const auto data = testing::data_folder();
  if (data.empty()) GTEST_SKIP() << "no optional test data (THEX_DATA)";
  EXPECT_EQ(read_tsv(data / "glue/SST-2/dev.tsv", "sentence", "label", 2).size(), 872u);
  EXPECT_EQ(read_tsv(data / "glue/SST-2/train.tsv", "sentence", "label", 2).size(), 67349u);
  EXPECT_EQ(read_tsv(data / "glue/MRPC/dev.tsv", "#1 String", "Quality", 2, "#2 String").size(), 408u);
}

}  // namespace
}  // namespace thex::bert
