#include "thex/cli/server_log.h"

#include <poll.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "thex/base/printable.h"

namespace thex::cli {
namespace {

using server::LogLevel;

// A pipe that is ready to be written to has room for 4096 bytes (PIPE_BUF): two lines, and what stands before them.
constexpr std::size_t kLongestLine = 1900;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      break;
  }
  return spdlog::level::err;
}

bool would_wait() {
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) == 0;
}

}  // namespace

ServerLog::ServerLog(const std::string& least) : log_(spdlog::stderr_color_mt("thex-server")) {
  log_->set_pattern("%Y-%m-%d %H:%M:%S %^%l%$ %v");
  log_->set_level(spdlog::level::from_str(least));
}

void ServerLog::write(LogLevel level, const std::string& line) {
  if (!log_->should_log(spdlog_level(level))) return;
  if (would_wait()) {
    ++left_out_;
    return;
  }
  if (const std::uint64_t count = left_out_.exchange(0); count > 0)
    log_->warn("{} lines before this one were left out: nobody read the log", count);
  log_->log(spdlog_level(level), printable(line).substr(0, kLongestLine));
}

}  // namespace thex::cli
