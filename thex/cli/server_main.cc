// thex-server: the program behind `thex serve`. It links no code that can decrypt or make keys.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/base/memory.h"
#include "thex/cli/command.h"
#include "thex/cli/locations.h"
#include "thex/cli/process_start.h"
#include "thex/cli/server_log.h"
#include "thex/model/digest.h"
#include "thex/transport/tcp_server.h"

namespace {

using thex::Error;
using thex::ErrorCode;
using thex::server::LogLevel;

struct Options {
  thex::cli::ModelOptions model;
  std::string listen = "127.0.0.1:7800";
  int threads = 0, max_queries = 2;
  std::size_t memory = 0, key_memory = 0;  // MB; 0: a half of what there is
  thex::server::Limits limits;
  int hello_timeout = 5, idle_timeout = 600, queue_timeout = 90, turn_timeout = 60, query_timeout = 600, stop_grace = 5;
  std::size_t least_rate = 128;  // KB a second
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

// SIGINT or SIGTERM tells the server to stop; a second one that it shall not wait for its queries. Signals that come
// together are one: timeout(1) sends its own to a process and to the group of that.
class SignalWatch {
 public:
  explicit SignalWatch(thex::transport::TcpServer& server)
      : thread_([this, &server] {
          const sigset_t signals = stop_signals();
          int signal = 0;
          std::chrono::steady_clock::time_point last{};
          while (::sigwait(&signals, &signal) == 0 && !over_) {
            const auto now = std::chrono::steady_clock::now();
            if (now - std::exchange(last, now) > std::chrono::milliseconds(200)) server.stop();
          }
        }) {}
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch() {
    over_ = true;
    ::pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;  // uses what stands above
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

// Every connection takes a descriptor: the limit is raised as far as it may be, and fewer are let in where that is not
// enough.
std::size_t most_connections(std::size_t wanted) {
  constexpr std::size_t kOthers = 128;  // files, the log, connections that are being refused
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
  const std::size_t left = files.rlim_cur > 2 * kOthers ? files.rlim_cur - kOthers : files.rlim_cur / 2;
  return std::min(wanted, std::max<std::size_t>(left, 1));
}

thex::server::Limits limits_of(const Options& o) {
  thex::server::Limits limits = o.limits;
  limits.memory = o.memory > 0 ? o.memory << 20 : thex::machine_memory_bytes() / 2;
  limits.key_memory = o.key_memory > 0 ? o.key_memory << 20 : limits.memory / 2;
  limits.sessions = most_connections(limits.sessions);
  limits.hello_timeout = std::chrono::seconds(o.hello_timeout);
  limits.idle_timeout = std::chrono::seconds(o.idle_timeout);
  limits.queue_timeout = std::chrono::seconds(o.queue_timeout);
  limits.turn_timeout = std::chrono::seconds(o.turn_timeout);
  limits.query_timeout = std::chrono::seconds(o.query_timeout);
  limits.least_rate = o.least_rate << 10;
  return limits;
}

// Encodes weights now, instead of with the first query of each length.
void prepare(thex::server::Service& service, const std::vector<int>& lengths) {
  const int longest = service.plan().max_tokens();
  for (const int tokens : lengths) {
    if (tokens > longest)
      throw Error(ErrorCode::usage,
                  fmt::format("--prepare {}: the longest text that this server takes has {} tokens", tokens, longest));
    service.prepare(service.plan().program_for(tokens));
  }
}

void serve(const Options& o) {
  thex::cli::ServerLog log(o.log_level);
  if (o.exit_with_parent) follow_parent();

  const auto folder = thex::cli::find_model(o.model.model);
  thex::server::ServiceOptions options;
  options.limits = limits_of(o);
  options.threads = thex::cli::thread_count(o.threads);
  options.model_name = folder.filename().string();
  options.log = [&log](LogLevel level, const std::string& line) { log.write(level, line); };
  // The port is taken first: a busy one is told at once.
  thex::transport::TcpServer server(o.listen);
  auto model = std::make_shared<const thex::model::Model>(thex::model::load_model(folder, thex::model::Part::server));
  options.parts = thex::model::model_digests(*model, nullptr, folder);
  thex::server::Service service(model, o.model.plan_request(), options);
  prepare(service, o.prepare);
  const SignalWatch watch(server);

  if (o.json) {
    auto ready = nlohmann::ordered_json::parse(service.describe());
    nlohmann::ordered_json line;
    line["listening"] = server.address();
    line.update(ready);
    std::cout << thex::json_line(line) << std::endl;
  } else {
    std::cout << "listening on " << server.address() << std::endl;
  }
  log.write(LogLevel::info,
            fmt::format("{}: plan {}, up to {} tokens, {} threads; {} MB of memory for clients, {} MB of it for keys",
                        folder.string(), service.plan().fingerprint, service.plan().max_tokens(), options.threads,
                        options.limits.memory >> 20, options.limits.key_memory >> 20));
  if (const std::string reason = thex::encoder::reason_of(service.plan()); !reason.empty())
    log.write(LogLevel::info, reason);
  server.serve(service, {.workers = o.max_queries, .stop_grace = std::chrono::seconds(o.stop_grace)});

  const auto s = service.statistics();
  const std::size_t peak = thex::peak_memory_bytes();
  log.write(LogLevel::info,
            fmt::format("stopped: {} queries, {} cancelled, {} refused, {} key uploads, {} connections, {} failures; "
                        "peak memory {:.1f} MB, keys {:.1f} MB, weights {:.1f} MB",
                        s.queries, s.cancelled, s.refused, s.key_uploads, s.sessions, s.failures,
                        static_cast<double>(peak) / 1e6, static_cast<double>(s.key_bytes) / 1e6,
                        static_cast<double>(s.weight_bytes) / 1e6));
  if (o.json && !o.exit_with_parent) {
    nlohmann::ordered_json line;
    line["stopped"] = server.address();
    line["queries"] = s.queries;
    line["key_uploads"] = s.key_uploads;
    line["cancelled"] = s.cancelled;
    line["refused"] = s.refused;
    line["connections"] = s.sessions;
    line["failures"] = s.failures;
    line["peak_memory_bytes"] = peak;
    line["key_bytes"] = s.key_bytes;
    line["weight_bytes"] = s.weight_bytes;
    std::cout << thex::json_line(line) << std::endl;
  }
}

void add_limit_options(CLI::App& app, Options& o) {
  const auto seconds = [&](const char* name, int& value, const char* help) {
    app.add_option(name, value, help)
        ->capture_default_str()
        ->check(CLI::Range(1, 86400))
        ->group("Time limits (seconds)");
  };
  const auto bound = [&](const char* name, auto& value, const char* help, int most) {
    app.add_option(name, value, help)->capture_default_str()->check(CLI::Range(1, most))->group("Limits");
  };
  app.add_option("--memory", o.memory,
                 "Megabytes for all that is held for clients: keys, uploads, queries (default: half of the machine's)")
      ->check(CLI::Range(1, 1 << 24))
      ->group("Limits");
  app.add_option("--key-memory", o.key_memory,
                 "Megabytes of it for evaluation keys; unused ones make room (default: half of --memory)")
      ->check(CLI::Range(1, 1 << 24))
      ->group("Limits");
  bound("--max-queries", o.max_queries, "Queries computed at the same time", 1000);
  bound("--max-connections", o.limits.sessions, "Clients at the same time", 100000);
  bound("--max-connections-each", o.limits.sessions_each, "Of one address", 100000);
  bound("--max-queued", o.limits.queued, "Queries that wait for their turn; later ones are told to try again", 100000);
  bound("--max-queued-each", o.limits.queued_each, "Of one address", 100000);
  bound("--max-open-each", o.limits.open_each, "Queries of one address that have begun", 100000);
  bound("--least-rate", o.least_rate, "Kilobytes a second below which a transfer is ended, after ten seconds", 1 << 20);
  seconds("--hello-timeout", o.hello_timeout, "For a new connection to say which model it wants");
  seconds("--idle-timeout", o.idle_timeout, "For a client that asks nothing");
  seconds("--queue-timeout", o.queue_timeout, "For a query to get its turn; then it is refused");
  seconds("--turn-timeout", o.turn_timeout, "For a client to answer a step of its query");
  seconds("--query-timeout", o.query_timeout, "For a query that has begun, its client's turns included");
  seconds("--stop-grace", o.stop_grace,
          "For queries that have begun when the server is told to stop; told again, it ends them at once");
}

}  // namespace

int main(int argc, char** argv) {
  thex::cli::start_process();
  thex::cli::reuse_message_buffers();
  block_stop_signals();
  Options o;
  CLI::App app("Serve a model to clients over TCP. The server sees ciphertexts only and cannot decrypt.", "thex serve");
  app.footer(thex::cli::exit_status_help());
  thex::cli::add_model_options(app, o.model);
  app.add_option("-l,--listen", o.listen, "HOST:PORT; port 0 takes a free one")->capture_default_str();
  thex::cli::add_threads_option(app, o.threads);
  add_limit_options(app, o);
  app.add_option("--prepare", o.prepare,
                 "Text lengths (tokens) to prepare at the start instead of with their first query")
      ->check(CLI::Range(1, 512));
  app.add_option("--log-level", o.log_level,
                 "The least that goes to stderr: debug (every query), info (keys, circuits, start and end), warning "
                 "(clients refused or lost), error (faults of the server)")
      ->capture_default_str()
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}));
  app.add_flag("--json", o.json, "Say where it listens, and at the end what it did, as JSON lines on stdout");
  app.add_flag("--exit-with-parent", o.exit_with_parent, "End when standard input ends")->group("");
  return thex::cli::run_main(app, argc, argv, [&] { serve(o); });
}
