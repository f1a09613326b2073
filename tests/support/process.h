// Running the programs of the build as a user does, and looking at what they print and how they end.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

extern char** environ;

namespace thex::testing {

using Environment = std::map<std::string, std::string>;

// A child process whose standard output and error are read through pipes; killed when the object goes.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, const Environment& environment = {}) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    std::vector<std::string> variables;
    for (char** e = environ; *e; ++e) {
      const std::string entry = *e;
      if (!environment.contains(entry.substr(0, entry.find('=')))) variables.push_back(entry);
    }
    for (const auto& [key, value] : environment) variables.push_back(key + "=" + value);
    std::vector<char*> envp;
    for (std::string& variable : variables) envp.push_back(variable.data());
    envp.push_back(nullptr);
    int in[2], out[2], err[2];
    if (::pipe2(in, O_CLOEXEC) || ::pipe2(out, O_CLOEXEC) || ::pipe2(err, O_CLOEXEC)) throw std::runtime_error("pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    ::posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data());
    ::posix_spawn_file_actions_destroy(&actions);
    for (const int fd : {in[0], out[1], err[1]}) ::close(fd);
    in_ = in[1], out_ = out[0], err_ = err[0];
    if (error != 0) throw std::runtime_error("cannot run " + arguments[0]);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ > 0) {
      kill(SIGKILL);
      wait();
    }
    for (const int fd : {in_, out_, err_}) {
      if (fd >= 0) ::close(fd);
    }
  }

  pid_t pid() const { return pid_; }
  void kill(int signal) const { ::kill(pid_, signal); }
  void write(const std::string& text) const {
    if (::write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw std::runtime_error("write");
  }
  void close_input() { ::close(std::exchange(in_, -1)); }

  // The next line of standard output; empty at its end or after 60 s.
  std::string line() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (true) {
      const std::size_t end = output.find('\n', read_lines_);
      if (end != std::string::npos) return output.substr(std::exchange(read_lines_, end + 1), end - read_lines_);
      if (std::chrono::steady_clock::now() > deadline || !read_some(1000)) return "";
    }
  }

  // The exit status, or 128 + the signal that ended it; then everything it wrote is in `output` and `errors`.
  int wait() {
    while (read_some(kMostSilence)) {
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::string output, errors;

 private:
  // False when both streams have ended or nothing came for so long.
  bool read_some(int milliseconds) {
    pollfd entries[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
    if (out_ < 0 && err_ < 0) return false;
    if (::poll(entries, 2, milliseconds) <= 0) return milliseconds < kMostSilence;
    char buffer[65536];
    for (const auto& [entry, fd, text] :
         {std::tuple{entries[0], &out_, &output}, std::tuple{entries[1], &err_, &errors}}) {
      if (entry.revents == 0) continue;
      const ssize_t n = ::read(*fd, buffer, sizeof(buffer));
      if (n > 0) text->append(buffer, static_cast<std::size_t>(n));
      if (n == 0) ::close(std::exchange(*fd, -1));
    }
    return true;
  }

  static constexpr int kMostSilence = 600'000;  // milliseconds, of a program with sanitizers on a busy machine

  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  std::size_t read_lines_ = 0;
};

struct Finished {
  int status = 0;
  std::string output, errors;
};

inline Finished run(const std::vector<std::string>& arguments, const Environment& environment = {},
                    const std::string& input = "") {
  Process process(arguments, environment);
  if (!input.empty()) process.write(input);
  process.close_input();
  const int status = process.wait();
  return {status, process.output, process.errors};
}

// Whether a process still runs (a zombie does not).
inline bool alive(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  FILE* file = ::fopen(path.c_str(), "r");
  if (!file) return false;
  char state = 0;
  const int n = ::fscanf(file, "%*d (%*[^)]) %c", &state);
  ::fclose(file);
  return n == 1 && state != 'Z' && state != 'X';
}

// Direct children of a process, by the name of their program.
inline std::vector<pid_t> children(pid_t parent, const std::string& name) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string file = entry.path().filename();
    if (file.find_first_not_of("0123456789") != std::string::npos) continue;
    FILE* stat = ::fopen((entry.path() / "stat").c_str(), "r");
    if (!stat) continue;
    int pid = 0, ppid = 0;
    char program[64] = "", state = 0;
    if (::fscanf(stat, "%d (%63[^)]) %c %d", &pid, program, &state, &ppid) == 4 && ppid == parent && name == program)
      found.push_back(pid);
    ::fclose(stat);
  }
  return found;
}

}  // namespace thex::testing
