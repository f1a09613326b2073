#include "thex/cli/command.h"

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <new>
#include <optional>
#include <regex>

#include "thex/base/error.h"
#include "thex/base/file_error.h"
#include "thex/base/machine_threads.h"
#include "thex/base/printable.h"
#include "thex/cli/empty_values.h"

namespace thex::cli {
namespace {

// "20ms,100Mbit": milliseconds for a message and its answer, megabits a second.
std::optional<encoder::Network> network_of(const std::string& text) {
  static const std::regex form("([0-9]{1,6}(?:\\.[0-9]{1,6})?)ms,([0-9]{1,6}(?:\\.[0-9]{1,6})?)Mbit");
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return std::nullopt;
  const double milliseconds = std::stod(parts[1]), megabits = std::stod(parts[2]);
  if (!(megabits > 0)) return std::nullopt;
  return encoder::Network{.round_trip_seconds = milliseconds / 1e3, .bytes_per_second = megabits * 1e6 / 8};
}

}  // namespace

void add_model_options(CLI::App& app, ModelOptions& options) {
  app.add_option("-m,--model", options.model,
                 "Model folder (default: $THEX_MODEL, else the embedded BERT-tiny for SST-2)");
  app.add_option("--max-tokens", options.max_tokens,
                 "Longest text in tokens (default: what the model was converted for, mostly 128); the same on both "
                 "sides, as the keys depend on it")
      ->check(CLI::Range(3, 512));  // [CLS], a token, [SEP]
  std::vector<std::string> names;
  for (const model::ProtocolRow& row : model::protocols()) names.emplace_back(row.name);
  app.add_option("--protocol", options.protocol,
                 "One that the model can be evaluated by (default: what takes least of those); the same on both sides")
      ->check(CLI::IsMember(names));
  app.add_option("--network", options.network,
                 "Round trip and bandwidth to choose a protocol for, as 20ms,100Mbit (the default); the same on both "
                 "sides")
      ->check([](const std::string& text) {
        return network_of(text) ? std::string()
                                : "'" + text + "' is not a round trip and a bandwidth, such as 20ms,100Mbit";
      });
}

encoder::PlanRequest ModelOptions::plan_request() const {
  encoder::PlanRequest request(max_tokens);
  if (!protocol.empty()) request.protocol = model::protocol_named(protocol).value();
  if (!network.empty()) request.network = network_of(network).value();
  return request;
}

std::vector<std::string> ModelOptions::plan_arguments() const {
  std::vector<std::string> all;
  if (max_tokens > 0) all.insert(all.end(), {"--max-tokens", std::to_string(max_tokens)});
  if (!protocol.empty()) all.insert(all.end(), {"--protocol", protocol});
  if (!network.empty()) all.insert(all.end(), {"--network", network});
  return all;
}

void add_threads_option(CLI::App& app, int& threads) {
  app.add_option("--threads", threads, "Threads (default: all cores)")->check(CLI::Range(1, 1024));
}

void add_server_options(CLI::App& app, ServerOptions& options) {
  app.add_option("--server", options.server, "HOST:PORT of a server (default: start one on loopback and end it again)");
  app.add_option("--keys", options.keys, "Key folder (default: ${THEX_HOME:-~/.thex}/keys/PLAN, made on first use)");
  app.add_option("--timeout", options.timeout, "Seconds to wait for one message of the server")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  add_threads_option(app, options.threads);
}

int thread_count(int option) { return option > 0 ? option : machine_threads(); }

void reuse_message_buffers() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

std::string exit_status_help() {
  return "Exit status: 0 success, 2 wrong usage, 3 model, 4 input text or data, 5 network, 6 protocol, 7 keys, 8 file, "
         "9 cryptographic parameters, 10 cancelled, 11 server busy, 70 internal error. Results go to stdout, progress "
         "and errors to stderr.";
}

namespace {

int report(const CLI::App& app, const std::string& message, int status) {
  std::cerr << app.get_name() << ": " << printable(message) << std::endl;
  return status;
}

// What is wrong with a word that stands where a command should and is none, or nothing; CLI11 would only say that a
// command is missing.
std::string unknown_command(const CLI::App& app, int argc, char** argv) {
  if (app.get_require_subcommand_min() == 0 || argc < 2 || argv[1][0] == '-') return {};
  std::string names;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->check_name(argv[1])) return {};
    names += (names.empty() ? "" : ", ") + command->get_name();
  }
  return "no command is named '" + std::string(argv[1]) + "'; the commands are " + names;
}

}  // namespace

void end_output() {
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0)
    throw Error(ErrorCode::file,
                "cannot write to standard output: it is closed, the disk is full, or who read it has ended");
}

int run_main(CLI::App& app, int argc, char** argv, const std::function<void()>& run) {
  if (const std::string unknown = unknown_command(app, argc, argv); !unknown.empty())
    return report(app, unknown + " (see --help)", exit_status(ErrorCode::usage));
  try {
    try {
      app.parse(argc, argv);
      refuse_empty_values(app);
    } catch (const CLI::ParseError& e) {
      if (e.get_exit_code() != 0)
        return report(app, std::string(e.what()) + " (see --help)", exit_status(ErrorCode::usage));
      app.exit(e);  // --help, --version
      end_output();
      return 0;
    }
    run();
    end_output();
    return 0;
  } catch (const Error& e) {
    return report(app, e.what(), exit_status(e.code()));
  } catch (const std::filesystem::filesystem_error& e) {
    return report(app, file_error(e).what(), exit_status(ErrorCode::file));
  } catch (const std::bad_alloc&) {
    return report(app, "out of memory", exit_status(ErrorCode::internal));
  } catch (const std::exception& e) {
    return report(app, std::string("internal error: ") + e.what(), exit_status(ErrorCode::internal));
  }
}

}  // namespace thex::cli
