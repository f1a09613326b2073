// A server process of our own, on a free loopback port, that lives as long as this object or this process.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace thex::cli {

class ChildServer {
 public:
  // Starts thex-server for the model folder and waits until it listens. Throws Error with the server's own exit status
  // when it ends at once (it has said why on stderr), Error(network) when it does not answer.
  ChildServer(const std::string& model, const std::vector<std::string>& plan_arguments, int threads);
  // Ends it: its standard input is closed, which it takes for the end of its parent; killed when it does not obey.
  ~ChildServer();
  ChildServer(const ChildServer&) = delete;
  ChildServer& operator=(const ChildServer&) = delete;

  const std::string& address() const { return address_; }

 private:
  std::string read_ready_line(int fd);
  int wait(int milliseconds);
  void stop();
  pid_t pid_ = -1;
  int input_ = -1;  // the write end of its standard input
  std::string address_;
};

}  // namespace thex::cli
