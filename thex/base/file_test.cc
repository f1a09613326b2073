#include "thex/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "thex/base/error.h"

namespace thex {
namespace {

class FileTest : public ::testing::Test {
 protected:
  std::size_t file_count() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
  }
  const TemporaryFolder temporary_;
  const std::filesystem::path& folder_ = temporary_.path();
};

TEST_F(FileTest, ReadsBackWhatWasWritten) {
  std::string bytes("a\0b\n\xff", 5);
  write_file_atomically(folder_ / "x", bytes);
  EXPECT_EQ(read_file(folder_ / "x", 5), bytes);
  write_file_atomically(folder_ / "x", std::string_view(""));
  EXPECT_EQ(read_file(folder_ / "x", 0), "");
  EXPECT_EQ(file_count(), 1u);
}

TEST_F(FileTest, RefusesMoreThanTheBound) {
  write_file_atomically(folder_ / "x", std::string_view("12345"));
  try {
    read_file(folder_ / "x", 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::file);
    EXPECT_NE(std::string(error.what()).find("has 5 bytes, at most 4"), std::string::npos) << error.what();
  }
}

TEST_F(FileTest, FoldersAndMissingFilesAreErrors) {
  EXPECT_THROW(read_file(folder_, 100), Error);
  EXPECT_THROW(read_file(folder_ / "none", 100), Error);
  EXPECT_THROW(write_file_atomically(folder_ / "none" / "x", std::string_view("1")), Error);
  EXPECT_THROW(read_file("/dev/zero", 100), Error);
}

TEST_F(FileTest, FailureKeepsTheOldContentsAndLeavesNoTemporaryFile) {
  std::filesystem::create_directory(folder_ / "x");
  write_file_atomically(folder_ / "x" / "inside", std::string_view("old"));
  EXPECT_THROW(write_file_atomically(folder_ / "x", std::string_view("new")), Error);  // a folder cannot be replaced
  EXPECT_EQ(read_file(folder_ / "x" / "inside", 10), "old");
  EXPECT_EQ(file_count(), 1u);
}

TEST_F(FileTest, SecretsAreReadableByTheOwnerOnly) {
  write_file_atomically(folder_ / "key", std::string_view("secret"), 0600);
  struct stat info {};
  ASSERT_EQ(::stat((folder_ / "key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(FileTest, ConcurrentWritersNeverMix) {
  const std::string a(100000, 'a'), b(100000, 'b');
  write_file_atomically(folder_ / "x", a);
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) write_file_atomically(folder_ / "x", i % 2 ? a : b);
  });
  bool mixed = false;
  for (int i = 0; i < 200; ++i) {
    const std::string seen = read_file(folder_ / "x", 200000);
    mixed = mixed || (seen != a && seen != b);
  }
  writer.join();
  EXPECT_FALSE(mixed);
}

}  // namespace
}  // namespace thex
