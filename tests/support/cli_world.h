// A small model with keys, and ways to run `thex` on it.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"
#include "tests/support/test_model.h"

namespace thex::testing {

using Json = nlohmann::json;

class CliWorld {
 public:
  static CliWorld& instance() {
    static CliWorld world;
    return world;
  }

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::string model() const { return (folder() / "model").string(); }
  std::string data() const { return (folder() / "dev.tsv").string(); }
  Environment environment() const { return {{"THEX_HOME", (folder() / "home").string()}, {"THEX_MODEL", model()}}; }
  static std::string program(const std::string& name = "thex") { return std::string(THEX_BINARY_DIR) + "/" + name; }

  // thex ARGUMENTS on the small model, with keys of its own THEX_HOME.
  Finished thex(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), program());
    return run(arguments, environment(), input);
  }

 private:
  CliWorld() {
    write_model(folder() / "model", {});
    write_file_atomically(folder() / "dev.tsv", std::string("sentence\tlabel\na good film\t1\nit is a dull movie !\t0\n"
                                                            "not very good\t0\nbeautiful and gripping\t1\n"));
  }
  support::TemporaryFolder folder_;
};

// A server of the small model, and where it listens.
class RunningServer {
 public:
  explicit RunningServer(std::vector<std::string> more = {}, const std::string& model = CliWorld::instance().model()) {
    std::vector<std::string> arguments = {CliWorld::program(), "serve",       "--model", model,
                                          "--listen",          "127.0.0.1:0", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    process = std::make_unique<Process>(arguments, CliWorld::instance().environment());
    ready = Json::parse(process->line(), nullptr, false);
    if (ready.is_object()) address = ready.value("listening", "");
    EXPECT_FALSE(address.empty()) << process->errors;
  }
  std::unique_ptr<Process> process;
  Json ready;
  std::string address;
};

inline std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// One line on stderr that starts with "thex: " and holds `part`, nothing on stdout, and that exit status.
inline void expect_error(const Finished& f, ErrorCode code, const std::string& part) {
  EXPECT_EQ(f.status, exit_status(code)) << f.errors;
  EXPECT_EQ(count_lines(f.errors), 1u) << f.errors;
  EXPECT_TRUE(f.errors.starts_with("thex: ") || f.errors.starts_with("thex serve: ")) << f.errors;
  EXPECT_NE(f.errors.find(part), std::string::npos) << f.errors;
  EXPECT_EQ(f.output, "");
}

}  // namespace thex::testing
