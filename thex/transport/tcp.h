// TCP for clients, and a plain listener that takes one connection at a time. The server's side is tcp_server.h.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "thex/transport/connection.h"

namespace thex::transport {

class Listener {
 public:
  virtual ~Listener() = default;
  // Waits for the next client; null once stop() was called.
  virtual std::unique_ptr<Connection> accept() = 0;
  // From any thread.
  virtual void stop() noexcept = 0;
  // "127.0.0.1:40123": where clients connect, with the port that was really taken.
  virtual std::string address() const = 0;
};

// Addresses are HOST:PORT, [IPV6]:PORT; port 0 takes any free one when listening. Throws Error(usage) for an address
// that cannot be understood and Error(network) when nobody listens there, or it is taken.
// `from`: the local address to connect from; empty: whichever the system takes.
std::unique_ptr<Connection> connect_tcp(const std::string& address, std::chrono::milliseconds timeout,
                                        const std::string& from = "");
std::unique_ptr<Listener> listen_tcp(const std::string& address);

struct HostPort {
  std::string host, port;
};
// Throws Error(usage).
HostPort split_address(const std::string& address);

}  // namespace thex::transport
