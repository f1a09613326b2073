#include "thex/base/file_format.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/support/temporary_folder.h"
#include "thex/base/error.h"
#include "thex/base/file.h"

namespace thex {
namespace {

using namespace std::string_literals;

TEST(FileFormat, NamesWhatIncompleteDownloadsLeave) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "empty"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 17549312\n", "git lfs pull"},
      {"\x1f\x8b\x08\0\0"s, "gzip"},
      {"PK\x03\x04\x14"s, "zip"},
      {"\xfd"
       "7zXZ\0"s,
       "xz"},
      {"\x28\xb5\x2f\xfd\x04"s, "zstd"},
      {"BZh91AY&SY", "bzip2"},
      {"\x89HDF\r\n\x1a\n", "HDF5"},
      {std::string(257, '\0') + "ustar\0"s, "tar"},
      {"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
      {"version https://hawser.github.com/spec/v1\n", "git lfs pull"},
      {"/annex/objects/SHA256E-s4385144--0123.safetensors\n", "git annex get"},
      {"../.git/annex/objects/x1/2y/SHA256E-s4385144--0123/SHA256E-s4385144--0123.safetensors", "git annex get"},
      {"PAR1\x15\x04", "Parquet"},
      {"ARROW1\0\0"s, "Arrow"},
      {"SQLite format 3\0"s, "SQLite"},
      {"%PDF-1.7\n", "PDF"},
      {"\xff\xfes\0e\0"s, "UTF-16"},
      {"\xfe\xff\0s\0e"s, "UTF-16"},
      {"\xef\xbb\xbf\n  <!DOCTYPE HTML>\n<html>", "web page"},
      {"<html lang=\"en\">", "web page"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "web page"}};
  for (const auto& [bytes, meaning] : cases) {
    const auto found = foreign_format(bytes);
    ASSERT_TRUE(found) << meaning;
    EXPECT_NE(found->find(meaning), std::string::npos) << *found;
    try {
      refuse_foreign_format("folder/model", bytes);
      ADD_FAILURE() << meaning;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::model);
      EXPECT_EQ(error.what(), "folder/model is " + *found);
    }
  }
}

TEST(FileFormat, LeavesOtherFilesToTheirReaders) {
  for (const std::string& bytes : {"{\"a\": 1}"s, "\x10\0\0\0\0\0\0\0{}"s, "[PAD]\n[UNK]\n"s, "version"s, " "s,
                                   "<s>\n"s, "P"s, "\x80\x02}q"s, "sentence\tlabel\n"s})
    EXPECT_EQ(foreign_format(bytes), std::nullopt) << bytes;
}

TEST(FileFormat, OfFilesOfTexts) {
  const std::pair<std::string, const char*> cases[] = {{"PK\x03\x04\x14"s, "save the sheet as CSV"},
                                                       {"PAR1\x15\x04", "Parquet"},
                                                       {"\x1f\x8b\x08\0"s, "gunzip"},
                                                       {"\xff\xfes\0"s, "iconv"},
                                                       {"version https://git-lfs.github.com/spec/v1\n", "git lfs"}};
  for (const auto& [bytes, advice] : cases) {
    const auto found = foreign_data_format(bytes);
    ASSERT_TRUE(found) << advice;
    EXPECT_NE(found->find(advice), std::string::npos) << *found;
  }
  for (const std::string& bytes : {""s, "<html> is a tag"s, "<?xml is how it begins\n"s, "sentence\tlabel\n"s, "PK"s,
                                   "\xef\xbb\xbfsentence,label\n"s})
    EXPECT_EQ(foreign_data_format(bytes), std::nullopt) << bytes;
}

TEST(FileFormat, LinksToNothing) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "file", std::string_view("x"));
  std::filesystem::create_symlink("../blobs/0123", folder.path() / "broken");
  std::filesystem::create_symlink("file", folder.path() / "link");
  EXPECT_EQ(broken_link(folder.path() / "broken"), "../blobs/0123");
  for (const char* name : {"file", "link", "nothing"}) EXPECT_EQ(broken_link(folder.path() / name), std::nullopt);
}

}  // namespace
}  // namespace thex
