#include "thex/cli/child_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "thex/base/error.h"
#include "thex/cli/locations.h"

namespace thex::cli {
namespace {

constexpr int kStartSeconds = 120;

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw Error(ErrorCode::internal, fmt::format("pipe: {}", std::strerror(errno)));
    read_end = fds[0];
    write_end = fds[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(read_end);
    close(write_end);
  }
  static void close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
};

// Its own message, if it had one to say, is on standard error already.
std::string how_it_ended(int status) {
  if (status > 128)
    return fmt::format(
        "the server process was ended by signal {} at its start: short of memory? A smaller --max-tokens "
        "takes less",
        status - 128);
  return fmt::format("the server process ended at its start with status {}, see what it says above", status);
}

}  // namespace

ChildServer::ChildServer(const std::string& model, const std::vector<std::string>& plan_arguments, int threads) {
  const auto program = find_program("thex-server");
  if (program.empty())
    throw Error(ErrorCode::file, "this installation has no thex-server beside thex; name one with --server");
  std::vector<std::string> arguments = {
      "thex-server",           "--model", model,         "--listen", "127.0.0.1:0",       "--threads",
      std::to_string(threads), "--json",  "--log-level", "off",      "--exit-with-parent"};
  arguments.insert(arguments.end(), plan_arguments.begin(), plan_arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  Pipe in, out;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.read_end, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
  const int error = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    pid_ = -1;
    throw Error(ErrorCode::file, fmt::format("cannot run {}: {}; install thex anew, or name a server with --server",
                                             program.string(), std::strerror(error)));
  }
  input_ = std::exchange(in.write_end, -1);
  Pipe::close(out.write_end);
  try {
    address_ = read_ready_line(out.read_end);
  } catch (...) {
    stop();
    throw;
  }
}

std::string ChildServer::read_ready_line(int fd) {
  constexpr const char* kNoReadyLine =
      "the server process wrote no line that says where it listens: thex and thex-server are of different versions, "
      "install both anew";
  std::string line;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kStartSeconds);
  while (line.find('\n') == std::string::npos) {
    pollfd entry{fd, POLLIN, 0};
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0)
      throw Error(
          ErrorCode::network,
          fmt::format("the server was not ready within {} s: try again when the machine has less to do, or start "
                      "one with 'thex serve' and name it with --server",
                      kStartSeconds));
    if (::poll(&entry, 1, static_cast<int>(left)) <= 0) continue;
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int status = wait(5000);
      throw Error(status > 0 && status <= static_cast<int>(ErrorCode::busy) ? static_cast<ErrorCode>(status)
                                                                            : ErrorCode::network,
                  how_it_ended(status));
    }
    line.append(buffer, static_cast<std::size_t>(n));
    if (line.size() > 65536) throw Error(ErrorCode::protocol, kNoReadyLine);
  }
  const auto json = nlohmann::json::parse(line.substr(0, line.find('\n')), nullptr, false);
  if (!json.is_object() || !json.contains("listening") || !json["listening"].is_string()) {
    throw Error(ErrorCode::protocol, kNoReadyLine);
  }
  return json["listening"].get<std::string>();
}

// The exit status, or -1 when it still runs then.
int ChildServer::wait(int milliseconds) {
  for (int spent = 0; pid_ > 0; spent += 5) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_ || (ended < 0 && errno == ECHILD)) {
      pid_ = -1;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (spent >= milliseconds) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return 0;
}

ChildServer::~ChildServer() { stop(); }

void ChildServer::stop() {
  if (input_ >= 0) ::close(std::exchange(input_, -1));
  if (pid_ > 0 && wait(6000) < 0) {
    ::kill(pid_, SIGKILL);
    wait(5000);
  }
}

}  // namespace thex::cli
