#include "thex/base/file_error.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

namespace thex {
namespace {

TEST(FileError, NamesThePathAndTheReason) {
  const TemporaryFolder folder;
  const std::filesystem::path loop = folder.path() / "loop";
  std::filesystem::create_symlink("loop", loop);
  try {
    EXPECT_FALSE(std::filesystem::is_regular_file(loop));
    ADD_FAILURE();
  } catch (const std::filesystem::filesystem_error& e) {
    const Error error = file_error(e);
    EXPECT_EQ(error.code(), ErrorCode::file);
    EXPECT_EQ(std::string(error.what()), "cannot use " + loop.string() + ": Too many levels of symbolic links");
  }
}

}  // namespace
}  // namespace thex
