#include "thex/protocol/key_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <thread>

#include "tests/support/test_model.h"
#include "thex/base/file.h"
#include "thex/protocol/plan_sizes.h"

namespace thex::protocol {
namespace {

using support::error_of;

encoder::InferencePlan plan_of(double max_relu_input) {
  const support::TemporaryFolder folder;
  testing::ModelShape shape;
  shape.max_relu_input = max_relu_input;
  return encoder::plan_inference(testing::write_model(folder.path(), shape).config, 16);
}

class KeyFiles : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { plan_ = new encoder::InferencePlan(plan_of(40)); }
  static void TearDownTestSuite() { delete plan_; }
  void write(const char* file, const std::string& bytes) { write_file_atomically(keys_ / file, bytes, 0600); }
  std::string read(const char* file) { return read_file(keys_ / file, 1 << 30); }

  static const encoder::InferencePlan* plan_;
  support::TemporaryFolder folder_;
  std::filesystem::path keys_ = folder_.path() / "keys";
};
const encoder::InferencePlan* KeyFiles::plan_ = nullptr;

TEST_F(KeyFiles, MadeThenLoaded) {
  const ClientKeys made = generate_keys(*plan_, keys_, false);
  const ClientKeys loaded = load_keys(*plan_, keys_);
  EXPECT_EQ(loaded.fingerprint, made.fingerprint);
  EXPECT_EQ(loaded.secret.seed(), made.secret.seed());
  EXPECT_EQ(read_evaluation_keys(*plan_, loaded).size(), key_bytes(*plan_));
  // What the file holds is what encrypts: both secrets are the same polynomial.
  const ring::Poly &a = made.secret.poly(), &b = loaded.secret.poly();
  for (std::size_t i = 0; i < a.limbs(); ++i) EXPECT_TRUE(std::equal(a.limb(i), a.limb(i) + a.n(), b.limb(i)));
}

TEST_F(KeyFiles, OnlyTheOwnerMayRead) {
  const mode_t old = ::umask(0);
  generate_keys(*plan_, keys_, false);
  ::umask(old);
  struct stat info {};
  for (const char* file : {"secret.key", "eval.keys"}) {
    ASSERT_EQ(::stat((keys_ / file).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << file;
  }
  ASSERT_EQ(::stat(keys_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(KeyFiles, NothingElseIsLeftBehind) {
  generate_keys(*plan_, keys_, false);
  generate_keys(*plan_, keys_, true);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(keys_)) ++files;
  EXPECT_EQ(files, 2u);
}

TEST_F(KeyFiles, ReplacedOnlyWhenToldSo) {
  generate_keys(*plan_, keys_, false);
  const std::string before = read("secret.key");
  const std::string message = error_of(ErrorCode::keys, [&] { generate_keys(*plan_, keys_, false); });
  EXPECT_NE(message.find("--force"), std::string::npos) << message;
  EXPECT_EQ(read("secret.key"), before);
  generate_keys(*plan_, keys_, true);
  EXPECT_NE(read("secret.key"), before);
}

TEST_F(KeyFiles, TwoAtOnceEndWithTheSameKeys) {
  std::vector<KeyFingerprint> fingerprints(2);
  std::vector<std::thread> threads;
  for (auto& fingerprint : fingerprints) {
    threads.emplace_back([&] { fingerprint = load_or_generate_keys(*plan_, keys_).keys.fingerprint; });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(fingerprints[0], fingerprints[1]);
}

TEST_F(KeyFiles, MissingTruncatedOrChangedSecretKey) {
  error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
  generate_keys(*plan_, keys_, false);
  const std::string whole = read("secret.key");
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    write("secret.key", whole.substr(0, length));
    error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
  }
  write("secret.key", whole + "x");
  error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    write("secret.key", changed);
    error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
  }
  write("secret.key", whole);
  load_keys(*plan_, keys_);
}

TEST_F(KeyFiles, TruncatedOrChangedEvaluationKeys) {
  const ClientKeys keys = generate_keys(*plan_, keys_, false);
  const std::string whole = read("eval.keys");
  write("eval.keys", whole.substr(0, whole.size() / 2));
  EXPECT_NE(error_of(ErrorCode::keys, [&] { read_evaluation_keys(*plan_, keys); }).find("damaged"), std::string::npos);
  std::string changed = whole;
  changed[whole.size() / 3] = static_cast<char>(changed[whole.size() / 3] ^ 4);
  write("eval.keys", changed);
  error_of(ErrorCode::keys, [&] { read_evaluation_keys(*plan_, keys); });
  std::filesystem::remove(keys_ / "eval.keys");
  error_of(ErrorCode::keys, [&] { read_evaluation_keys(*plan_, keys); });
}

TEST_F(KeyFiles, KeysOfAnotherModel) {
  const encoder::InferencePlan other = plan_of(4000);
  ASSERT_NE(other.fingerprint(), plan_->fingerprint());
  generate_keys(other, keys_, false);
  const std::string message = error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
  EXPECT_NE(message.find("another model"), std::string::npos) << message;
}

TEST_F(KeyFiles, DefaultFolder) {
  ::setenv("THEX_HOME", "/somewhere", 1);
  EXPECT_EQ(default_key_folder(*plan_), "/somewhere/keys/" + plan_->fingerprint());
  ::unsetenv("THEX_HOME");
  ::setenv("HOME", "/home/me", 1);
  EXPECT_EQ(default_key_folder(*plan_), "/home/me/.thex/keys/" + plan_->fingerprint());
}

}  // namespace
}  // namespace thex::protocol
