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
  explicit Scheduler(const std::vector<Task>& tasks)
      : tasks_(tasks), waiting_(tasks.size(), 0), successors_(tasks.size()), left_(tasks.size()) {
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
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return left_ == 0 || error_ || !ready_.empty(); });
      if (left_ == 0 || error_) return;
      const std::size_t index = ready_.top().second;
      ready_.pop();
      lock.unlock();
      std::exception_ptr error;
      try {
        tasks_[index].run();
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
  using Entry = std::pair<int, std::size_t>;  // urgency, index
  const std::vector<Task>& tasks_;
  std::vector<std::size_t> waiting_;
  std::vector<std::vector<std::size_t>> successors_;
  std::size_t left_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr error_;
};

}  // namespace

void run_tasks(const std::vector<Task>& tasks, int threads) {
  Scheduler scheduler(tasks);
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back([&] { scheduler.work(); });
    scheduler.work();
  }
  scheduler.rethrow();
}

}  // namespace thex::circuit
