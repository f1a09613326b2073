// The one exception type that leaves a THE-X library.
//
// `what()` is one line, says what went wrong with the values involved, and what to do about it. The code
// decides the exit status of the `thex` command, so a script can tell a bad model from a missing server.
#pragma once

#include <stdexcept>
#include <string>

namespace thex {

enum class ErrorCode {
  usage = 2,       // wrong arguments, or an API called outside its documented range
  model = 3,       // model folder missing, damaged or of an unsupported architecture
  input = 4,       // text or data set that cannot be processed (empty, too long, not UTF-8, bad label)
  network = 5,     // no server there, connection lost, time-out
  protocol = 6,    // the peer sent something that this protocol version does not allow
  keys = 7,        // key file missing, damaged, or made for another model
  file = 8,        // cannot read or write a file; disk full
  crypto = 9,      // parameters that are not 128-bit secure, or an operation without levels or keys left
  cancelled = 10,  // ended before it was done because nobody waits for it any longer, or the program ends
  busy = 11,       // no room or no time for it now; the same may be tried again later
  internal = 70,
};

// The process exit status for a code.
int exit_status(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace thex
