#include "thex/transport/memory.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

namespace thex::transport {
namespace {

// A bounded queue of bytes.
class Pipe {
 public:
  void write(protocol::ByteView bytes, Deadline deadline) {
    std::unique_lock lock(mutex_);
    while (!bytes.empty()) {
      if (!changed_.wait_until(lock, deadline, [&] { return closed_ || queue_.size() < kCapacity; })) {
        throw TimedOut("time-out while sending");
      }
      if (closed_) throw Error(ErrorCode::network, "the peer closed the connection");
      const std::size_t n = std::min(bytes.size(), kCapacity - queue_.size());
      queue_.insert(queue_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      changed_.notify_all();
    }
  }

  std::size_t read(std::span<std::byte> bytes, Deadline deadline) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, deadline, [&] { return closed_ || !queue_.empty(); })) {
      throw TimedOut("time-out while waiting for the peer");
    }
    const std::size_t n = std::min(bytes.size(), queue_.size());
    const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(n);
    std::copy(queue_.begin(), end, bytes.begin());
    queue_.erase(queue_.begin(), end);
    changed_.notify_all();
    return n;
  }

  bool readable() {
    const std::lock_guard lock(mutex_);
    return closed_ || !queue_.empty();
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  static constexpr std::size_t kCapacity = std::size_t{1} << 20;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::byte> queue_;
  bool closed_ = false;
};

class MemoryStream : public ByteStream {
 public:
  MemoryStream(std::shared_ptr<Pipe> out, std::shared_ptr<Pipe> in) : out_(std::move(out)), in_(std::move(in)) {}
  void write(protocol::ByteView bytes, Deadline deadline) override { out_->write(bytes, deadline); }
  std::size_t read(std::span<std::byte> bytes, Deadline deadline) override { return in_->read(bytes, deadline); }
  bool readable() override { return in_->readable(); }
  void close() noexcept override {
    out_->close();
    in_->close();
  }
  std::string peer() const override { return "the peer"; }

 private:
  std::shared_ptr<Pipe> out_, in_;
};

}  // namespace

std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_memory_streams() {
  auto there = std::make_shared<Pipe>(), back = std::make_shared<Pipe>();
  return {std::make_unique<MemoryStream>(there, back), std::make_unique<MemoryStream>(back, there)};
}

std::pair<std::unique_ptr<Connection>, std::unique_ptr<Connection>> connect_in_memory() {
  auto [a, b] = make_memory_streams();
  return {std::make_unique<StreamConnection>(std::move(a)), std::make_unique<StreamConnection>(std::move(b))};
}

}  // namespace thex::transport
