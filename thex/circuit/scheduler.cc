#include "thex/circuit/scheduler.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <utility>

#include "thex/base/error.h"

namespace thex::circuit {
namespace {

class Scheduler {
 public:
  Scheduler(const std::vector<Task>& tasks, int threads)
      : tasks_(tasks), threads_(threads), waiting_(tasks.size(), 0), successors_(tasks.size()), left_(tasks.size()) {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      for (std::size_t before : tasks[i].after) {
        if (before >= i)
          throw Error(ErrorCode::internal,
                      "task " + std::to_string(i) + " depends on the later task " + std::to_string(before));
        successors_[before].push_back(i);
        ++waiting_[i];
      }
      if (waiting_[i] == 0) ready_.push({tasks[i].urgency, i});
    }
  }

  void work() {
    const ParallelFor parallel = [this](std::size_t count, const std::function<void(std::size_t)>& body) {
      parallel_for(count, body);
    };
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return left_ == 0 || error_ || !ready_.empty() || !loops_.empty(); });
      if (left_ == 0 || error_) return;
      if (ready_.empty()) {
        help(lock, *loops_.front());
        continue;
      }
      const std::size_t index = ready_.top().second;
      ready_.pop();
      lock.unlock();
      std::exception_ptr error;
      try {
        tasks_[index].run(parallel);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && !error_) error_ = error;
      --left_;
      for (std::size_t next : successors_[index])
        if (--waiting_[next] == 0) ready_.push({tasks_[next].urgency, next});
      changed_.notify_all();
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // Pieces of one task's work. Listed while some of them are not begun.
  struct Loop {
    std::size_t count;
    const std::function<void(std::size_t)>& body;
    std::size_t begun = 0, done = 0;
    std::exception_ptr error;
  };

  void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) {
    if (count == 0) return;
    if (threads_ == 1 || count == 1) return serial_for(count, body);
    Loop loop{count, body};
    std::unique_lock lock(mutex_);
    loops_.push_back(&loop);
    changed_.notify_all();
    while (loop.begun < count) help(lock, loop);
    changed_.wait(lock, [&] { return loop.done == count; });
    lock.unlock();
    if (loop.error) std::rethrow_exception(loop.error);
  }

  // Does one piece of the loop; the lock is held before and after.
  void help(std::unique_lock<std::mutex>& lock, Loop& loop) {
    const std::size_t piece = loop.begun++;
    if (loop.begun == loop.count) std::erase(loops_, &loop);
    lock.unlock();
    std::exception_ptr error;
    try {
      loop.body(piece);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && !loop.error) loop.error = error;
    if (++loop.done == loop.count) changed_.notify_all();
  }

  using Entry = std::pair<int, std::size_t>;  // urgency, index
  const std::vector<Task>& tasks_;
  const int threads_;
  std::vector<std::size_t> waiting_;
  std::vector<std::vector<std::size_t>> successors_;
  std::size_t left_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready_;
  std::vector<Loop*> loops_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr error_;
};

}  // namespace

void run_tasks(const std::vector<Task>& tasks, int threads) {
  Scheduler scheduler(tasks, threads);
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back([&] { scheduler.work(); });
    scheduler.work();
  }
  scheduler.rethrow();
}

}  // namespace thex::circuit
