#include "thex/client/key_files.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "tests/support/test_model.h"
#include "thex/base/file.h"
#include "thex/protocol/message_sizes.h"

namespace thex::client {
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
  // What is said about keys that cannot be used: the command that replaces these and no others.
  std::string replacement() const { return "'thex keygen --force -o " + keys_.string() + "'"; }

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
  EXPECT_EQ(loaded.evaluation_keys().size(), protocol::key_bytes(*plan_));
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
  std::vector<protocol::KeyFingerprint> fingerprints(2);
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
    const std::string message = error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
    EXPECT_NE(message.find(replacement()), std::string::npos) << message;
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
  const auto refused = [&] {
    const std::string message = error_of(ErrorCode::keys, [&] { keys.evaluation_keys(); });
    EXPECT_NE(message.find(replacement()), std::string::npos) << message;
    return message;
  };
  write("eval.keys", whole.substr(0, whole.size() / 2));
  EXPECT_NE(refused().find("damaged"), std::string::npos);
  std::string changed = whole;
  changed[whole.size() / 3] = static_cast<char>(changed[whole.size() / 3] ^ 4);
  write("eval.keys", changed);
  refused();
  std::filesystem::remove(keys_ / "eval.keys");
  refused();
}

TEST_F(KeyFiles, KeysOfAnotherModel) {
  const encoder::InferencePlan other = plan_of(4000);
  ASSERT_NE(other.fingerprint, plan_->fingerprint);
  generate_keys(other, keys_, false);
  const std::string message = error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
  EXPECT_NE(message.find("another model"), std::string::npos) << message;
  EXPECT_NE(message.find("thex keygen -o"), std::string::npos) << message;
}

// The same ring and the same keys, but a plan digest that another version of the program computed.
TEST_F(KeyFiles, KeysOfAnotherVersionsDigestAreRefusedAndMadeAgain) {
  generate_keys(*plan_, keys_, false);
  std::string bytes = read("secret.key");
  const std::string current = bytes.substr(10, 16);
  for (std::size_t i = 10; i < 26; ++i) bytes[i] = static_cast<char>(bytes[i] ^ 0x55);
  const std::string_view checked = std::string_view(bytes).substr(0, bytes.size() - 32);
  const auto checksum = protocol::fingerprint(std::as_bytes(std::span(checked)));
  std::copy(checksum.begin(), checksum.end(), bytes.end() - 32);
  write("secret.key", bytes);
  for (const std::string& message : {error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); }),
                                     error_of(ErrorCode::keys, [&] { load_or_generate_keys(*plan_, keys_); })}) {
    for (const std::string& part : {std::string("another model, --max-tokens or version of thex"),
                                    std::string("thex keygen"), std::string("--force"), plan_->fingerprint})
      EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  EXPECT_EQ(read("secret.key"), bytes) << "nothing is lost";
  generate_keys(*plan_, keys_, true);
  EXPECT_NO_THROW(load_keys(*plan_, keys_));
  EXPECT_EQ(read("secret.key").substr(10, 16), current);
}

TEST_F(KeyFiles, AnotherFormatVersionSaysWhatToDo) {
  generate_keys(*plan_, keys_, false);
  std::string bytes = read("secret.key");
  bytes[8] = 7;
  write("secret.key", bytes);
  const std::string message = error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
  EXPECT_NE(message.find("format version 7, this program reads version 1"), std::string::npos) << message;
  EXPECT_NE(message.find(replacement()), std::string::npos) << message;
}

TEST_F(KeyFiles, ASecretKeyThatOthersMayReadIsRefused) {
  generate_keys(*plan_, keys_, false);
  for (const mode_t mode : {0640, 0604, 0660}) {
    ::chmod((keys_ / "secret.key").c_str(), mode);
    const std::string message = error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
    EXPECT_NE(message.find("chmod 600 " + (keys_ / "secret.key").string()), std::string::npos) << message;
    EXPECT_NE(message.find(replacement()), std::string::npos) << message;
  }
  ::chmod((keys_ / "secret.key").c_str(), 0400);
  EXPECT_NO_THROW(load_keys(*plan_, keys_));
}

TEST_F(KeyFiles, AFolderOrKeysThatOthersMayChangeAreRefused) {
  const ClientKeys keys = generate_keys(*plan_, keys_, false);
  ::chmod((keys_ / "eval.keys").c_str(), 0644);
  EXPECT_NO_THROW(keys.evaluation_keys()) << "they are no secret";
  ::chmod((keys_ / "eval.keys").c_str(), 0620);
  EXPECT_NE(error_of(ErrorCode::keys, [&] { keys.evaluation_keys(); }).find("chmod go-w"), std::string::npos);
  ::chmod(keys_.c_str(), 0770);
  EXPECT_NE(error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); }).find("chmod go-w"), std::string::npos);
  error_of(ErrorCode::keys, [&] { generate_keys(*plan_, keys_, true); });
  error_of(ErrorCode::keys, [&] { load_or_generate_keys(*plan_, keys_); });
  ::chmod(keys_.c_str(), 0755);
  EXPECT_NO_THROW(load_keys(*plan_, keys_));
}

TEST_F(KeyFiles, WhatBelongsToAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t kOther = 4242;
  generate_keys(*plan_, keys_, false);
  const ClientKeys keys = load_keys(*plan_, keys_);
  for (const auto& path : {keys_ / "secret.key", keys_}) {
    ASSERT_EQ(::chown(path.c_str(), kOther, kOther), 0);
    const std::string message = error_of(ErrorCode::keys, [&] { load_keys(*plan_, keys_); });
    EXPECT_NE(message.find("another user (4242"), std::string::npos) << message;
    EXPECT_NE(message.find("--keys"), std::string::npos) << message;
    ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
  }
  ASSERT_EQ(::chown((keys_ / "eval.keys").c_str(), kOther, kOther), 0);
  error_of(ErrorCode::keys, [&] { keys.evaluation_keys(); });
  // An empty folder that somebody else has prepared.
  const auto prepared = folder_.path() / "prepared";
  std::filesystem::create_directory(prepared);
  ASSERT_EQ(::chown(prepared.c_str(), kOther, kOther), 0);
  error_of(ErrorCode::keys, [&] { load_or_generate_keys(*plan_, prepared); });
}

// Every state in which a process that replaces a pair can be killed.
TEST_F(KeyFiles, APairIsReplacedAsOne) {
  generate_keys(*plan_, keys_, false);
  const std::string old_secret = read("secret.key"), old_keys = read("eval.keys");
  generate_keys(*plan_, keys_, true);
  const std::string new_secret = read("secret.key"), new_keys = read("eval.keys");

  write("secret.key", old_secret);
  write("eval.keys", old_keys);
  write("eval.keys.new", new_keys);  // killed before the secret key was replaced
  EXPECT_EQ(load_keys(*plan_, keys_).evaluation_keys(), old_keys);
  write("secret.key", new_secret);  // killed right after it
  EXPECT_EQ(load_keys(*plan_, keys_).evaluation_keys(), new_keys);
  EXPECT_EQ(read("eval.keys"), new_keys) << "put in its place";
  EXPECT_FALSE(std::filesystem::exists(keys_ / "eval.keys.new"));
  EXPECT_EQ(load_keys(*plan_, keys_).evaluation_keys(), new_keys);

  write("eval.keys.new", old_keys.substr(0, 1000));  // whatever lies there
  EXPECT_EQ(load_keys(*plan_, keys_).evaluation_keys(), new_keys);
  generate_keys(*plan_, keys_, true);
  EXPECT_FALSE(std::filesystem::exists(keys_ / "eval.keys.new"));
}

TEST_F(KeyFiles, AProcessThatIsKilledLeavesAPairThatFits) {
  generate_keys(*plan_, keys_, false);
  for (int trial = 0; trial < 12; ++trial) {
    const pid_t child = ::fork();
    if (child == 0) {
      while (true) generate_keys(*plan_, keys_, true);
    }
    ::usleep(static_cast<useconds_t>(20'000 + trial * 17'000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_NO_THROW(load_keys(*plan_, keys_).evaluation_keys());
  }
}

// Folders and pipes where key files are to stand: an error that names them, before anything is made or replaced.
TEST_F(KeyFiles, WhatIsNoFileIsNeitherReadNorReplaced) {
  generate_keys(*plan_, keys_, false);
  const std::string secret = read("secret.key");
  for (const char* const name : {"eval.keys.new", "eval.keys", "secret.key"}) {
    for (const bool pipe : {false, true}) {
      const std::string before = std::filesystem::exists(keys_ / name) ? read(name) : "";
      std::filesystem::remove(keys_ / name);
      ASSERT_EQ(pipe ? ::mkfifo((keys_ / name).c_str(), 0600) : ::mkdir((keys_ / name).c_str(), 0700), 0);
      const std::string message = error_of(ErrorCode::file, [&] { generate_keys(*plan_, keys_, true); });
      EXPECT_NE(message.find(name), std::string::npos) << message;
      EXPECT_TRUE(std::filesystem::exists(keys_ / name));
      std::filesystem::remove(keys_ / name);
      if (!before.empty()) write(name, before);
      EXPECT_EQ(read("secret.key"), secret);
    }
  }
  EXPECT_EQ(load_keys(*plan_, keys_).evaluation_keys().size(), protocol::key_bytes(*plan_));
}

// What is done about a file that others may change or read is no advice for a pipe, and none for /tmp.
TEST_F(KeyFiles, AdviceThatBreaksTheMachineIsNotGiven) {
  generate_keys(*plan_, keys_, false);
  std::filesystem::remove(keys_ / "secret.key");
  std::filesystem::create_symlink("/dev/zero", keys_ / "secret.key");
  std::string message = error_of(ErrorCode::file, [&] { load_keys(*plan_, keys_); });
  EXPECT_NE(message.find("secret.key is no file"), std::string::npos) << message;
  EXPECT_EQ(message.find("chmod"), std::string::npos) << message;

  const auto shared = folder_.path() / "shared";
  std::filesystem::create_directory(shared);
  ASSERT_EQ(::chmod(shared.c_str(), 01777), 0);
  message = error_of(ErrorCode::keys, [&] { generate_keys(*plan_, shared, false); });
  EXPECT_NE(message.find("all users share"), std::string::npos) << message;
  EXPECT_EQ(message.find("chmod"), std::string::npos) << message;
  EXPECT_TRUE(std::filesystem::is_empty(shared));
  EXPECT_NO_THROW(generate_keys(*plan_, shared / "own", false));
}

// The evaluation keys are read when a server wants them; other keys may be there by then.
TEST_F(KeyFiles, KeysThatAreReplacedMeanwhileAreNotCalledDamaged) {
  generate_keys(*plan_, keys_, false);
  const ClientKeys before = load_keys(*plan_, keys_);
  generate_keys(*plan_, keys_, true);
  const std::string message = error_of(ErrorCode::keys, [&] { before.evaluation_keys(); });
  EXPECT_NE(message.find("replaced just now; start again"), std::string::npos) << message;
}

TEST_F(KeyFiles, ErrorsTellTheCause) {
  write_file_atomically(folder_.path() / "file", std::string_view("x"));
  const auto below = folder_.path() / "file" / "a" / "b";
  const std::string message = error_of(ErrorCode::file, [&] { generate_keys(*plan_, below, false); });
  EXPECT_NE(message.find("Not a directory"), std::string::npos) << message;
  error_of(ErrorCode::file, [&] { load_keys(*plan_, below); });
  error_of(ErrorCode::file, [&] { generate_keys(*plan_, folder_.path() / "file", false); });
}

TEST_F(KeyFiles, WhoWaitsForALockIsToldForWhom) {
  make_key_folder(keys_);
  int ready[2], go[2];
  ASSERT_EQ(::pipe(ready) | ::pipe(go), 0);
  char byte = 0;
  const pid_t holder = ::fork();
  if (holder == 0) {
    const FolderLock lock(keys_, {});
    if (::write(ready[1], &byte, 1) != 1 || ::read(go[0], &byte, 1) != 1) ::_exit(1);
    ::_exit(0);
  }
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const std::string name = "process " + std::to_string(holder);
  const std::string message = error_of(ErrorCode::keys, [&] { FolderLock(keys_, {}, std::chrono::milliseconds(10)); });
  EXPECT_NE(message.find(name), std::string::npos) << message;
  std::vector<std::string> told;
  const FolderLock lock(keys_, [&](const std::string& line) {
    told.push_back(line);
    EXPECT_EQ(::write(go[1], &byte, 1), 1);
  });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("waiting for " + name), std::string::npos) << told[0];
  ::waitpid(holder, nullptr, 0);
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) ::close(fd);
}

TEST_F(KeyFiles, DefaultFolder) {
  ::setenv("THEX_HOME", "/somewhere", 1);
  EXPECT_EQ(default_key_folder(*plan_), "/somewhere/keys/" + plan_->fingerprint);
  ::unsetenv("THEX_HOME");
  ::setenv("HOME", "/home/me", 1);
  EXPECT_EQ(default_key_folder(*plan_), "/home/me/.thex/keys/" + plan_->fingerprint);
}

}  // namespace
}  // namespace thex::client
