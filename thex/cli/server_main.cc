// thex-server: the program behind `thex serve`. It links no code that can decrypt or make keys.
#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "thex/base/error.h"
#include "thex/cli/command.h"
#include "thex/cli/locations.h"
#include "thex/protocol/server.h"

namespace {

using thex::Error;
using thex::ErrorCode;

struct Options {
  thex::cli::ModelOptions model;
  std::string listen = "127.0.0.1:7800";
  int threads = 0, max_connections = 32, max_queries = 4, key_memory = 1024;
  std::vector<int> prepare;
  std::string log_level = "info";
  bool json = false, exit_with_parent = false;
};

sigset_t stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  return signals;
}

// Before any thread is started: all of them inherit it.
void block_stop_signals() {
  const sigset_t signals = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

// Waits for SIGINT or SIGTERM, then stops the server.
class SignalWatch {
 public:
  explicit SignalWatch(thex::protocol::Server& server)
      : thread_([&server] {
          const sigset_t signals = stop_signals();
          int signal = 0;
          ::sigwait(&signals, &signal);
          server.stop();
        }) {}
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch() {
    ::pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

 private:
  std::thread thread_;
};

// Standard input is a pipe that the parent holds: its end is the end of the parent, however it died.
void follow_parent() {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  std::thread([] {
    char buffer[64];
    while (true) {
      const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof(buffer));
      if (n == 0 || (n < 0 && errno != EINTR)) break;
    }
    ::kill(::getpid(), SIGTERM);
  }).detach();
}

void serve(const Options& o) {
  auto log = spdlog::stderr_color_mt("thex-server");
  log->set_pattern("%Y-%m-%d %H:%M:%S %^%l%$ %v");
  log->set_level(spdlog::level::from_str(o.log_level));
  if (o.exit_with_parent) follow_parent();

  const auto folder = thex::cli::find_model(o.model.model);
  thex::protocol::ServerOptions options;
  options.threads = thex::cli::thread_count(o.threads);
  options.max_connections = o.max_connections;
  options.max_queries = o.max_queries;
  options.key_memory = static_cast<std::size_t>(o.key_memory) << 20;
  options.model_name = folder.filename().string();
  options.log = [log](const std::string& line) { log->info(line); };
  // The port is taken first: a busy one is told at once.
  const auto listener = thex::protocol::listen_tcp(o.listen);
  auto model = std::make_shared<const thex::model::Model>(thex::model::load_model(folder, thex::model::Part::server));
  thex::protocol::Server server(model, o.model.max_tokens, options);
  for (const int tokens : o.prepare) server.prepare(server.plan().bucket_for(tokens));
  const SignalWatch watch(server);

  if (o.json) {
    auto ready = nlohmann::ordered_json::parse(server.describe());
    nlohmann::ordered_json line;
    line["listening"] = listener->address();
    line.update(ready);
    std::cout << line.dump() << std::endl;
  } else {
    std::cout << "listening on " << listener->address() << std::endl;
  }
  log->info("{}: plan {}, up to {} tokens, {} threads", folder.string(), server.plan().fingerprint(),
            server.plan().max_tokens(), options.threads);
  server.serve(*listener);

  const auto s = server.statistics();
  const std::size_t peak = thex::protocol::peak_memory_bytes();
  log->info(
      "stopped: {} queries, {} key uploads, {} connections, {} failures; peak memory {:.1f} MB, keys {:.1f} MB, "
      "weights {:.1f} MB",
      s.queries, s.key_uploads, s.connections, s.failures, static_cast<double>(peak) / 1e6,
      static_cast<double>(s.key_bytes) / 1e6, static_cast<double>(s.plaintext_bytes) / 1e6);
  if (o.json && !o.exit_with_parent) {
    nlohmann::ordered_json line;
    line["stopped"] = listener->address();
    line["queries"] = s.queries;
    line["key_uploads"] = s.key_uploads;
    line["connections"] = s.connections;
    line["failures"] = s.failures;
    line["peak_memory_bytes"] = peak;
    line["key_bytes"] = s.key_bytes;
    line["weight_bytes"] = s.plaintext_bytes;
    std::cout << line.dump() << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  // Message buffers are reused instead of being mapped afresh for every message.
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
  block_stop_signals();
  Options o;
  CLI::App app("Serve a model to clients over TCP. The server sees ciphertexts only and cannot decrypt.", "thex serve");
  app.footer(thex::cli::exit_status_help());
  thex::cli::add_model_options(app, o.model);
  app.add_option("-l,--listen", o.listen, "HOST:PORT; port 0 takes a free one")->capture_default_str();
  thex::cli::add_threads_option(app, o.threads);
  app.add_option("--max-connections", o.max_connections, "Clients at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  app.add_option("--max-queries", o.max_queries, "Queries evaluated at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--key-memory", o.key_memory,
                 "Megabytes for the clients' evaluation keys; least recently used go first")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--prepare", o.prepare,
                 "Text lengths (tokens) to prepare at the start instead of with their first query");
  app.add_option("--log-level", o.log_level, "What goes to stderr")
      ->capture_default_str()
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}));
  app.add_flag("--json", o.json, "Say where it listens, and at the end what it did, as JSON lines on stdout");
  app.add_flag("--exit-with-parent", o.exit_with_parent, "End when standard input ends")->group("");
  return thex::cli::run_main(app, argc, argv, [&] { serve(o); });
}
