// thex classify --output: one writer, results of one model and one input, nothing lost.
#include <algorithm>
#include <cstring>
#include <thread>

#include "tests/support/cli_world.h"

namespace thex::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const CliWorld& world() { return CliWorld::instance(); }
const RunningServer& server() {
  static const RunningServer running;
  return running;
}

fs::path file(const std::string& name, const std::string& text) {
  write_file_atomically(world().folder() / name, text);
  return world().folder() / name;
}

std::vector<std::string> command(const fs::path& input, const fs::path& output, std::vector<std::string> more = {}) {
  std::vector<std::string> all{"classify",     "--server", server().address, "--input",
                               input.string(), "--output", output.string()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string bytes(const fs::path& path) { return read_file(path, 1 << 22); }

std::vector<std::string> texts_in(const fs::path& path) {
  std::vector<std::string> texts;
  std::istringstream lines(bytes(path));
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line, nullptr, false);
    texts.push_back(json.is_object() ? json.value("text", "no text") : "not JSON");
  }
  return texts;
}

const std::vector<std::string> kTexts{"a good film", "it is dull", "not good"};
const char* const kLines = "a good film\nit is dull\nnot good\n";

TEST(Results, OneWriterAtATime) {
  // This process is the writer that is there already: it holds the lock that the program takes.
  const fs::path out = file("shared.jsonl", ""), input = file("one.txt", kLines),
                 link = world().folder() / "link.jsonl";
  const int held = ::open(out.c_str(), O_RDWR);
  ASSERT_GE(held, 0);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(held, F_SETLK, &lock), 0);
  fs::create_symlink(out, link);
  const std::string pid = "process " + std::to_string(::getpid());
  expect_error(world().thex(command(input, out)), ErrorCode::file, pid);
  expect_error(world().thex(command(input, link, {"--force"})), ErrorCode::file, pid);
  ::close(held);  // gives the lock back
  EXPECT_EQ(world().thex(command(input, out)).status, 0);
  EXPECT_EQ(texts_in(out), kTexts);
}

TEST(Results, SameModelAndInputOnly) {
  const fs::path input = file("in.txt", kLines), out = world().folder() / "out.jsonl";
  ASSERT_EQ(world().thex(command(input, out)).status, 0);
  const std::string whole = bytes(out);
  const Json result = Json::parse(whole.substr(0, whole.find('\n')));
  EXPECT_EQ(result["input"].get<std::string>().size(), 32u);
  EXPECT_GE(result["model"].get<std::string>().size(), 32u);
  EXPECT_EQ(world().thex(command(input, out)).status, 0) << "the same again: nothing to do";
  EXPECT_EQ(bytes(out), whole);

  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& why) {
    const Finished f = world().thex(arguments);
    expect_error(f, ErrorCode::input, why);
    EXPECT_NE(f.errors.find("--force"), std::string::npos) << f.errors;
    EXPECT_EQ(bytes(out), whole) << "nothing is changed";
  };
  refused(command(file("less.txt", "a good film\nit is dull\n"), out), "another input");
  refused(command(file("more.txt", std::string(kLines) + "bad\n"), out), "another input");
  refused(command(file("order.txt", "it is dull\na good film\nnot good\n"), out), "not the result of");
  refused(command(file("other.txt", "a bad film\nit is dull\nnot good\n"), out), "not the result of");
  refused(command(file("e.txt", std::string("\n") + kLines), out), "not the result of");
  refused(command(input, out, {"--max-tokens", "16"}), "another model, of other options or of another version");
  // Other weights of one shape: the plan is the same.
  const fs::path other = world().folder() / "other-weights";
  write_model(other, {.seed = 9});
  const RunningServer second({}, other.string());
  std::vector<std::string> arguments = command(input, out, {"--model", other.string()});
  arguments[2] = second.address;
  refused(arguments, "another model");
  // With --force the file starts anew.
  arguments.emplace_back("--force");
  EXPECT_EQ(world().thex(arguments).status, 0);
  EXPECT_EQ(texts_in(out), kTexts);
  EXPECT_NE(Json::parse(bytes(out).substr(0, bytes(out).find('\n')))["model"], result["model"]);
}

// Whose plan digest, and so whose model digest, was computed otherwise.
TEST(Results, OfAnotherVersionAreRefused) {
  const fs::path input = file("version.txt", kLines), out = world().folder() / "version.jsonl";
  ASSERT_EQ(world().thex(command(input, out)).status, 0);
  std::string older = bytes(out);
  const std::string digest = Json::parse(older.substr(0, older.find('\n')))["model"];
  for (std::size_t at = older.find(digest); at != std::string::npos; at = older.find(digest, at))
    older.replace(at, digest.size(), std::string(digest.size(), 'e'));
  write_file_atomically(out, older);
  const Finished refused = world().thex(command(input, out));
  expect_error(refused, ErrorCode::input, "another version of thex");
  EXPECT_NE(refused.errors.find("--force"), std::string::npos) << refused.errors;
  EXPECT_EQ(bytes(out), older) << "nothing is changed";
  EXPECT_EQ(world().thex(command(input, out, {"--force"})).status, 0);
  EXPECT_EQ(Json::parse(bytes(out).substr(0, bytes(out).find('\n')))["model"], digest);
}

// The new results replace the old ones when there is one, not when somebody has tried.
TEST(Results, WithoutANewResultTheOldOnesStay) {
  const fs::path input = file("three.txt", kLines), other = file("other.txt", "a film\n"),
                 out = world().folder() / "kept.jsonl";
  ASSERT_EQ(world().thex(command(input, out)).status, 0);
  const std::string before = bytes(out);
  auto nobody_there = command(other, out, {"--force"});
  nobody_there[2] = "127.0.0.1:1";
  expect_error(world().thex(nobody_there), ErrorCode::network, "127.0.0.1:1");
  EXPECT_EQ(bytes(out), before);
  ASSERT_EQ(world().thex(command(other, out, {"--force"})).status, 0);
  EXPECT_EQ(texts_in(out), std::vector<std::string>{"a film"});
}

TEST(Results, ATornLineIsRepaired) {
  const fs::path input = file("torn.txt", kLines), out = world().folder() / "torn.jsonl";
  ASSERT_EQ(world().thex(command(input, out)).status, 0);
  const std::string whole = bytes(out);
  const std::size_t first = whole.find('\n') + 1;
  for (const std::size_t cut : {first + 1, first + 5, first + 30, whole.size() - 1, std::size_t{3}}) {
    write_file_atomically(out, whole.substr(0, cut));
    const Finished f = world().thex(command(input, out));
    ASSERT_EQ(f.status, 0) << f.errors;
    EXPECT_EQ(texts_in(out), kTexts) << cut;
    EXPECT_EQ(bytes(out).substr(0, std::min(first, cut)), whole.substr(0, std::min(first, cut))) << "kept as it was";
  }
  write_file_atomically(out, whole.substr(0, first) + std::string(100, '\0'));
  EXPECT_EQ(world().thex(command(input, out)).status, 0) << "zero bytes, as a power cut leaves them";
  EXPECT_EQ(texts_in(out), kTexts);
}

TEST(Results, FilesOfSomethingElseStay) {
  const fs::path input = file("input.txt", kLines);
  for (const std::string& text :
       {"notes", "notes\n", "{\"text\":\"a good film\"}\n", "{\"text\":\"a bad", "{}\n", "\n", "\x1b[2J\n"}) {
    const fs::path out = file("notes", text);
    const Finished f = world().thex(command(input, out));
    expect_error(f, ErrorCode::input, "--force");
    EXPECT_EQ(bytes(out), text);
  }
  // Version 0.1.0 did not write which model a result is from.
  const std::string old =
      R"({"text":"a good film","task":"classification","label":"positive","score":0.5,"logits":[0.1,0.1]})"
      "\n";
  expect_error(world().thex(command(input, file("old.jsonl", old))), ErrorCode::input, "does not say which model");
  EXPECT_EQ(bytes(world().folder() / "old.jsonl"), old);
  EXPECT_EQ(world().thex(command(input, world().folder() / "notes", {"--force"})).status, 0);
  EXPECT_EQ(texts_in(world().folder() / "notes"), kTexts);
  expect_error(world().thex({"classify", "good", "--force"}), ErrorCode::usage, "--output");
}

TEST(Results, TheOutputIsNotTheInput) {
  const fs::path input = file("same.txt", kLines), soft = world().folder() / "soft", hard = world().folder() / "hard";
  fs::create_symlink(input, soft);
  fs::create_hard_link(input, hard);
  for (const fs::path& out : {input, soft, hard, world().folder() / "." / "same.txt"}) {
    expect_error(world().thex(command(input, out)), ErrorCode::usage, "the input file itself");
    expect_error(world().thex(command(input, out, {"--force"})), ErrorCode::usage, "the input file itself");
    expect_error(world().thex(command(soft, out, {"--force"})), ErrorCode::usage, "the input file itself");
  }
  for (const char* name : {"config.json", "model.safetensors", "vocab.txt"}) {
    const fs::path of_model = fs::path(world().model()) / name;
    const std::string before = bytes(of_model);
    expect_error(world().thex(command(input, of_model, {"--force"})), ErrorCode::usage, "a file of the model");
    EXPECT_EQ(bytes(of_model), before);
  }
  const Finished appended =
      run({"/bin/sh", "-c", CliWorld::program() + " classify --input " + input.string() + " >> " + input.string()},
          world().environment());
  expect_error(appended, ErrorCode::usage, "standard output is the input file");
  EXPECT_EQ(bytes(input), kLines);
  expect_error(world().thex(command(input, "/dev/null")), ErrorCode::file, "not a regular file");
  expect_error(world().thex(command(input, world().folder())), ErrorCode::file, "");
}

}  // namespace
}  // namespace thex::testing
