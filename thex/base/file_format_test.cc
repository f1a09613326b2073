#include "thex/base/file_format.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "thex/base/error.h"

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

}  // namespace
}  // namespace thex
