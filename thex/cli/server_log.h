// The server's log: one line a call on standard error, for its operator.
//
// Lines are written by threads that hold what others wait for. So a log that nobody reads (a pager, a stopped terminal,
// a collector that hangs) must not hold them: a line that would have to wait is left out and counted, and the count is
// told with the next line that goes through.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "thex/server/log.h"

namespace spdlog {
class logger;
}

namespace thex::cli {

class ServerLog {
 public:
  // `least`: the name of the lowest level that is written; "off" for none.
  explicit ServerLog(const std::string& least);
  // Safe to call from any thread. What a terminal would obey is escaped, long lines are cut.
  void write(server::LogLevel level, const std::string& line);

 private:
  const std::shared_ptr<spdlog::logger> log_;
  std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace thex::cli
