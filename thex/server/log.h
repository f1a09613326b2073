// Lines for the operator's log, and how much each of them matters. The library prints nothing itself.
#pragma once

#include <functional>
#include <string>

namespace thex::server {

enum class LogLevel {
  debug,    // every query that was answered
  info,     // what the server prepares and keeps: circuits, keys
  warning,  // a client that was refused, or whose session ended in an error of the client's or of the network's
  error,    // a session that ended in an error of the server's own
};

// Gets one line, which may hold what a client sent. May be empty.
using Log = std::function<void(LogLevel level, const std::string& line)>;

}  // namespace thex::server
