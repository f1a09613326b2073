// TCP on POSIX sockets: non-blocking descriptors, poll() with deadlines, no signals.
#include "thex/transport/tcp.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "thex/transport/stream.h"

namespace thex::transport {
namespace {

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::network, what); }

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

int milliseconds_left(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
}

// False when the deadline passed first.
bool wait_for(int fd, short events, Deadline deadline) {
  while (true) {
    pollfd entry{fd, events, 0};
    const int n = ::poll(&entry, 1, milliseconds_left(deadline));
    if (n > 0) return true;
    if (n == 0 && Clock::now() >= deadline) return false;
    if (n < 0 && errno != EINTR) fail(fmt::format("poll: {}", std::strerror(errno)));
  }
}

struct AddressList {
  addrinfo* first = nullptr;
  ~AddressList() {
    if (first) ::freeaddrinfo(first);
  }
};

void resolve(const std::string& address, int flags, AddressList& list) {
  const HostPort parts = split_address(address);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  const int error = ::getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &list.first);
  if (error != 0) fail(fmt::format("cannot find the host of {}: {}", address, ::gai_strerror(error)));
}

std::string name_of(const sockaddr* address, socklen_t length) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (::getnameinfo(address, length, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown address";
  }
  return address->sa_family == AF_INET6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

class SocketStream : public ByteStream {
 public:
  SocketStream(Descriptor fd, std::string peer) : fd_(std::move(fd)), peer_(std::move(peer)) {
    set_no_delay(fd_.get());
  }

  void write(protocol::ByteView bytes, Deadline deadline) override {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (!wait_for(fd_.get(), POLLOUT, deadline)) throw TimedOut("time-out while sending to " + peer_);
      } else if (errno != EINTR) {
        fail(fmt::format("lost the connection to {} while sending: {}", peer_, std::strerror(errno)));
      }
    }
  }

  std::size_t read(std::span<std::byte> bytes, Deadline deadline) override {
    while (true) {
      const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (!wait_for(fd_.get(), POLLIN, deadline)) throw TimedOut("time-out while waiting for " + peer_);
      } else if (errno != EINTR) {
        fail(fmt::format("lost the connection to {}: {}", peer_, std::strerror(errno)));
      }
    }
  }

  bool readable() override { return wait_for(fd_.get(), POLLIN, Clock::now()); }

  // The descriptor itself stays open until destruction, so that a thread in poll() never sees its number reused.
  void close() noexcept override { ::shutdown(fd_.get(), SHUT_RDWR); }
  std::string peer() const override { return peer_; }

 private:
  Descriptor fd_;
  std::string peer_;
};

class SocketListener : public Listener {
 public:
  SocketListener(Descriptor fd, std::string address) : fd_(std::move(fd)), address_(std::move(address)) {
    wake_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (wake_.get() < 0) fail(fmt::format("eventfd: {}", std::strerror(errno)));
  }

  std::unique_ptr<Connection> accept() override {
    while (true) {
      pollfd entries[2] = {{fd_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
      if (::poll(entries, 2, -1) < 0 && errno != EINTR) fail(fmt::format("poll: {}", std::strerror(errno)));
      if (entries[1].revents != 0) return nullptr;
      if (entries[0].revents == 0) continue;
      sockaddr_storage address{};
      socklen_t length = sizeof(address);
      Descriptor client(
          ::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (client.get() >= 0) {
        return std::make_unique<StreamConnection>(
            std::make_unique<SocketStream>(std::move(client), name_of(reinterpret_cast<sockaddr*>(&address), length)));
      }
      // The client may have gone already; out of descriptors: wait for one to be freed.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pollfd wake{wake_.get(), POLLIN, 0};
        ::poll(&wake, 1, 100);
      }
    }
  }

  void stop() noexcept override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof(one));
  }
  std::string address() const override { return address_; }

 private:
  Descriptor fd_, wake_;
  std::string address_;
};

}  // namespace

HostPort split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HostPort result;
  if (colon != std::string::npos) {
    result = {address.substr(0, colon), address.substr(colon + 1)};
    if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']') {
      result.host = result.host.substr(1, result.host.size() - 2);
    }
  }
  const bool digits = !result.port.empty() && result.port.size() <= 5 &&
                      std::all_of(result.port.begin(), result.port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (result.host.empty() || !digits || std::stoi(result.port) > 65535) {
    throw Error(ErrorCode::usage, "'" + address + "' is not an address: write HOST:PORT, for example 127.0.0.1:7800");
  }
  return result;
}

std::unique_ptr<Connection> connect_tcp(const std::string& address, std::chrono::milliseconds timeout,
                                        const std::string& from) {
  const Deadline deadline = in(timeout);
  AddressList list, local;
  resolve(address, 0, list);
  if (!from.empty()) resolve(from + ":0", AI_NUMERICHOST, local);
  std::string reason = "no address";
  for (const addrinfo* entry = list.first; entry; entry = entry->ai_next) {
    Descriptor fd(::socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) {
      reason = std::strerror(errno);
      continue;
    }
    if (local.first && ::bind(fd.get(), local.first->ai_addr, local.first->ai_addrlen) != 0) {
      reason = std::strerror(errno);
      continue;
    }
    int error = ::connect(fd.get(), entry->ai_addr, entry->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS || error == EINTR) {
      socklen_t length = sizeof(error);
      if (!wait_for(fd.get(), POLLOUT, deadline)) {
        error = ETIMEDOUT;
      } else if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        error = errno;
      }
    }
    if (error == 0) {
      return std::make_unique<StreamConnection>(
          std::make_unique<SocketStream>(std::move(fd), "the server at " + address));
    }
    reason = std::strerror(error);
  }
  fail(fmt::format("no server at {}: {}", address, reason));
}

std::unique_ptr<Listener> listen_tcp(const std::string& address) {
  AddressList list;
  resolve(address, AI_PASSIVE, list);
  std::string reason = "no address";
  for (const addrinfo* entry = list.first; entry; entry = entry->ai_next) {
    Descriptor fd(::socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    sockaddr_storage taken{};
    socklen_t length = sizeof(taken);
    if (fd.get() >= 0 && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        ::bind(fd.get(), entry->ai_addr, entry->ai_addrlen) == 0 && ::listen(fd.get(), 64) == 0 &&
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&taken), &length) == 0) {
      return std::make_unique<SocketListener>(std::move(fd), name_of(reinterpret_cast<sockaddr*>(&taken), length));
    }
    reason = std::strerror(errno);
  }
  fail(fmt::format("cannot listen on {}: {}", address, reason));
}

}  // namespace thex::transport
