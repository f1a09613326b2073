// A service on a TCP port.
//
// One thread carries the bytes of all connections (Asio); as many as queries are computed at the same time do the work.
// All are made at the start: a connection costs a descriptor and a few kilobytes, and nothing that could fail for the
// others. Asio stays within tcp_server.cc.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "thex/server/service.h"

namespace thex::transport {

struct TcpServerOptions {
  int workers = 2;                              // queries that are computed at the same time
  std::chrono::milliseconds stop_grace{5'000};  // for queries that have begun when the server is stopped
  std::chrono::milliseconds linger{2'000};      // for a client to read why its session ended
};

class TcpServer {
 public:
  // Takes the port at once: HOST:PORT or [IPV6]:PORT, port 0 for any free one. Throws Error(usage) for an address that
  // cannot be understood, Error(network) when it is taken.
  explicit TcpServer(const std::string& address);
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  // "127.0.0.1:40123": where clients connect, with the port that was really taken.
  std::string address() const;

  // Serves until stop(), once; the calling thread carries the bytes. The principals of the service are the clients'
  // addresses, of IPv6 the first 64 bits. Throws Error(internal) when the threads cannot be made.
  void serve(server::Service& service, const TcpServerOptions& options);
  // From any thread (not from a signal handler): the service drains. Queries that have begun may finish within the
  // grace; serve() returns at the latest when the tasks that run then have ended. A second call ends the grace.
  void stop() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace thex::transport
