#include "thex/transport/tcp_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "thex/transport/frame.h"
#include "thex/transport/tcp.h"

namespace thex::transport {
namespace {

using asio::ip::tcp;
using server::Service;
using server::SessionId;

// Who is told why it is not let in; beyond so many at a time they are hung up on.
constexpr int kMaxRefusing = 64;

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                    : fmt::format("{}:{}", host, endpoint.port());
}

// An address; of IPv6 its network of 64 bits, within which one client has all addresses.
std::string principal_of(const asio::ip::address& address) {
  if (!address.is_v6()) return address.to_string();
  auto bytes = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return asio::ip::address_v6(bytes).to_string();
}

// One connection. All but send() and finish() happens in the thread of the bytes. It lives as long as an operation on
// its socket is under way or its session is open.
class Link : public server::Carrier, public std::enable_shared_from_this<Link> {
 public:
  // `scratch`: where bytes go that nobody wants. `gone` is called at the end.
  Link(tcp::socket socket, Service& service, std::chrono::milliseconds linger, std::span<std::byte> scratch,
       std::function<void()> gone)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        service_(service),
        linger_(linger),
        scratch_(scratch),
        gone_(std::move(gone)) {}
  ~Link() override { gone_(); }

  void start(SessionId id) {
    id_ = id;
    read();
  }
  void refuse(const Error& error) {
    send({protocol::MessageType::error, encode(protocol::ErrorMessage{error.code(), error.what()})}, {});
    finish();
    read();
  }
  void hang_up() noexcept {
    asio::error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
    service_.close(id_);
  }

  void send(protocol::Message message, server::Reservation memory) noexcept override {
    note([&] {
      outbox_.push_back(
          {encode_header(message.type, message.payload.size()), std::move(message.payload), std::move(memory)});
    });
  }
  void finish() noexcept override {
    note([&] { finished_ = true; });
  }

 private:
  struct Outgoing {
    std::array<std::byte, kHeaderBytes> header;
    protocol::Bytes payload;
    server::Reservation memory;
  };

  // From any thread: something is to be sent. What cannot even be noted for want of memory ends with its time limit.
  template <typename Change>
  void note(Change&& change) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      change();
      if (noted_) return;
      asio::post(socket_.get_executor(), [self = shared_from_this()] { self->guarded([&] { self->write_next(); }); });
      noted_ = true;
    } catch (const std::bad_alloc&) {
    }
  }

  // A failure here is the end of this connection, not of the others.
  template <typename Step>
  void guarded(Step&& step) noexcept {
    try {
      step();
    } catch (const std::exception&) {
      hang_up();
    }
  }

  void read() {
    std::span<std::byte> space = scratch_;
    try {
      if (!over_) space = reader_.space();
    } catch (const std::bad_alloc&) {
      service_.fail(id_, Error(ErrorCode::busy, "the server is out of memory; try again later"));
      over_ = true;
    }
    socket_.async_read_some(asio::buffer(space.data(), space.size()),
                            [self = shared_from_this()](const asio::error_code& error, std::size_t bytes) {
                              self->guarded([&] {
                                if (error) return self->hang_up();
                                if (!self->over_) self->take(bytes);
                                self->read();
                              });
                            });
  }

  // Bytes have arrived. Once the session is over, what comes is dropped.
  void take(std::size_t bytes) {
    const bool payload = !reader_.in_header();
    try {
      const auto header = reader_.commit(bytes);
      if (header) over_ = !service_.announce(id_, header->type, header->length);
      if (payload) over_ = !service_.arrived(id_, bytes);
    } catch (const Error& error) {
      service_.fail(id_, error);
      over_ = true;
    }
    if (!over_ && reader_.complete()) service_.deliver(id_, reader_.take());
  }

  void write_next() {
    {
      const std::lock_guard lock(mutex_);
      noted_ = false;
      // Also while a message is being written: a client that does not read would keep it so for ever.
      if (finished_ && !ending_) end_soon();
      if (writing_) return;  // it is called again afterwards
      if (outbox_.empty()) {
        if (finished_) last_words_are_out();
        return;
      }
      out_ = std::move(outbox_.front());
      outbox_.pop_front();
    }
    written_ = 0;
    writing_ = true;
    write_rest();
  }

  void write_rest() {
    std::array<asio::const_buffer, 2> rest;
    const std::size_t head = std::min(written_, kHeaderBytes), body = written_ - head;
    rest[0] = asio::buffer(out_.header.data() + head, kHeaderBytes - head);
    rest[1] = asio::buffer(out_.payload.data() + body, out_.payload.size() - body);
    socket_.async_write_some(rest, [self = shared_from_this()](const asio::error_code& error, std::size_t bytes) {
      self->guarded([&] {
        if (error) return self->hang_up();
        self->written_ += bytes;
        const std::size_t of_payload = std::min(bytes, self->written_ - std::min(self->written_, kHeaderBytes));
        self->service_.sent(self->id_, of_payload);
        if (self->written_ < kHeaderBytes + self->out_.payload.size()) return self->write_rest();
        self->out_ = {};
        self->writing_ = false;
        self->write_next();
      });
    });
  }

  // The client sees the end of the stream, and has a while to read and to hang up.
  void last_words_are_out() {
    over_ = true;
    asio::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }

  // The session is over: whatever the client does, the connection ends after a while.
  void end_soon() {
    ending_ = true;
    timer_.expires_after(linger_);
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->hang_up();
    });
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  Service& service_;
  const std::chrono::milliseconds linger_;
  const std::span<std::byte> scratch_;
  const std::function<void()> gone_;
  SessionId id_ = 0;

  FrameReader reader_;
  bool over_ = false;    // the session: what comes is dropped
  bool ending_ = false;  // the timer runs

  bool writing_ = false;
  Outgoing out_;
  std::size_t written_ = 0;

  std::mutex mutex_;
  std::deque<Outgoing> outbox_;  // guarded, as the two below
  bool finished_ = false;
  bool noted_ = false;  // write_next() is on its way
};

}  // namespace

struct TcpServer::Impl {
  explicit Impl(const std::string& address) : acceptor(io), accept_again(io), tick_timer(io), stop_timer(io) {
    const HostPort parts = split_address(address);
    asio::error_code error;
    tcp::resolver resolver(io);
    const auto found =
        resolver.resolve(parts.host, parts.port, tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (error) throw Error(ErrorCode::network, fmt::format("cannot find the host of {}: {}", address, error.message()));
    for (const auto& entry : found) {
      acceptor.close(error);
      acceptor.open(entry.endpoint().protocol(), error);
      if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
      if (!error) acceptor.bind(entry.endpoint(), error);
      if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
      if (error) continue;
      taken = text_of(acceptor.local_endpoint());
      return;
    }
    throw Error(ErrorCode::network, fmt::format("cannot listen on {}: {}", address, error.message()));
  }

  // Whatever is to be under way and is not, for want of memory when it ended.
  void arm() {
    if (!accepting && !stopping_since) accept();
    if (!ticking) tick();
  }

  void accept() {
    acceptor.async_accept([this](const asio::error_code& error, tcp::socket socket) {
      accepting = false;
      if (stopping_since || error == asio::error::operation_aborted) return;
      if (!error) {
        try {
          welcome(std::move(socket));
        } catch (const std::exception&) {
          // That client is hung up on; the next one may fare better.
        }
        return accept();
      }
      // The client has gone already, or there is no descriptor left: one will be free before long.
      accept_again.expires_after(std::chrono::milliseconds(50));
      accept_again.async_wait([this](const asio::error_code&) {
        accepting = false;
        if (!stopping_since) accept();
      });
      accepting = true;
    });
    accepting = true;
  }

  void welcome(tcp::socket socket) {
    const tcp::endpoint from = socket.remote_endpoint();
    socket.set_option(tcp::no_delay(true));
    socket.set_option(asio::socket_base::keep_alive(true));
    const auto link = std::make_shared<Link>(std::move(socket), *service, options.linger, scratch, [this] { --links; });
    ++links;
    try {
      link->start(service->open(principal_of(from.address()), text_of(from), link));
    } catch (const Error& error) {
      if (links - static_cast<int>(service->limits().sessions) > kMaxRefusing) return;
      link->refuse(error);
    }
  }

  void tick() {
    tick_timer.expires_at(std::max(service->tick(), Clock::now() + std::chrono::milliseconds(10)));
    tick_timer.async_wait([this](const asio::error_code&) {
      ticking = false;
      if (stops_wanted > 0) stop_now_or_soon();
      tick();
    });
    ticking = true;
  }

  void stop_now_or_soon() {
    if (!stopping_since) begin_stop();
    if (stops_wanted > 1) service->end_all("the server is stopping");
  }

  void begin_stop() {
    stopping_since = Clock::now();
    asio::error_code ignored;
    acceptor.close(ignored);
    service->drain();
    go_on_stopping();
  }

  // Until all have left, or the grace and the time for last words are over.
  void go_on_stopping() {
    const Time now = Clock::now();
    if (!drained_at && now >= *stopping_since + options.stop_grace) service->end_all("the server is stopping");
    if (!drained_at && service->drained()) drained_at = now;
    if (drained_at && (links == 0 || now >= *drained_at + kLastWords)) return io.stop();
    stop_timer.expires_after(std::chrono::milliseconds(10));
    stop_timer.async_wait([this](const asio::error_code&) { go_on_stopping(); });
  }

  static constexpr std::chrono::milliseconds kLastWords{500};

  std::atomic<int> links{0};
  std::vector<std::byte> scratch = std::vector<std::byte>(65536);
  asio::io_context io{1};  // with the connections, which use what stands above
  tcp::acceptor acceptor;
  std::string taken;  // the address
  asio::steady_timer accept_again, tick_timer, stop_timer;
  Service* service = nullptr;
  TcpServerOptions options;
  bool accepting = false, ticking = false;
  std::atomic<int> stops_wanted{0};
  std::optional<Time> stopping_since, drained_at;
};

TcpServer::TcpServer(const std::string& address) : impl_(std::make_unique<Impl>(address)) {}
TcpServer::~TcpServer() = default;

std::string TcpServer::address() const { return impl_->taken; }

void TcpServer::serve(Service& service, const TcpServerOptions& options) {
  impl_->service = &service;
  impl_->options = options;
  std::vector<std::jthread> workers;
  struct End {  // before the threads are joined, whatever happens
    Service& service;
    ~End() {
      service.end_all("the server is stopping");
      service.shut_down();
    }
  };
  const End end{service};
  try {
    for (int i = 0; i < std::max(1, options.workers); ++i) {
      workers.emplace_back([&service] {
        bool more = true;
        while (more) {
          try {
            more = service.work_or_wait();
          } catch (const std::exception&) {
            // Out of memory where even an error could not be told: the next piece of work may fare better.
          }
        }
      });
    }
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::internal,
                fmt::format("cannot start {} threads: {}", options.workers, error.code().message()));
  }
  while (!impl_->io.stopped()) {
    try {
      impl_->arm();
      impl_->io.run();
    } catch (const std::exception&) {
      // Out of memory in a step of the server itself: what is missing is armed again.
    }
  }
}

void TcpServer::stop() noexcept {
  ++impl_->stops_wanted;
  try {
    asio::post(impl_->io, [impl = impl_.get()] { impl->stop_now_or_soon(); });
  } catch (const std::bad_alloc&) {
    // The next tick sees it.
  }
}

}  // namespace thex::transport
