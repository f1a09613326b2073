#include "thex/base/file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <utility>
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
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::file);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

// Without a writer the opening of a pipe would wait for ever.
TEST_F(FileTest, OnlyRegularFilesAreOpened) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", (folder_ / "socket").c_str());
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  std::filesystem::create_symlink(folder_ / "pipe", folder_ / "link");
  const std::pair<std::filesystem::path, std::string> cases[] = {{folder_, "a folder"},
                                                                 {folder_ / "pipe", "a pipe"},
                                                                 {folder_ / "link", "a pipe"},
                                                                 {folder_ / "socket", "a socket"},
                                                                 {"/dev/zero", "a device"}};
  for (const auto& [named, kind] : cases) {
    const std::filesystem::path& path = named;
    const std::string expected = path.string() + " is " + kind + ", not a regular file";
    EXPECT_EQ(error_of([&] { InputFile file(path); }), expected);
    EXPECT_EQ(error_of([&] { read_file(path, 100); }), expected);
    EXPECT_EQ(error_of([&] { file_beginning(path); }), expected);
  }
  ::close(socket);
}

TEST_F(FileTest, ReadsAtPositions) {
  write_file_atomically(folder_ / "x", std::string_view("0123456789"));
  const InputFile file(folder_ / "x");
  EXPECT_EQ(file.size(), 10u);
  char bytes[6] = "";
  EXPECT_EQ(file.read_at(7, bytes, 5), 3u);
  EXPECT_STREQ(bytes, "789");
  EXPECT_EQ(file.read_at(2, bytes, 5), 5u);
  EXPECT_STREQ(bytes, "23456");
  EXPECT_EQ(file.read_at(100, bytes, 5), 0u);
  EXPECT_EQ(file_beginning(folder_ / "x", 4), "0123");
  EXPECT_EQ(file_beginning(folder_ / "x"), "0123456789");
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
