// Runs tasks on a few threads, most urgent first, as far as they can go without what comes from outside.
//
// Some tasks have a gate (TaskOrder): they wait until open() is called. advance() works until every task that is left
// waits for a gate, and returns; nothing is held in between but the state of this object. It may be called again, by
// another thread and with another number of threads, when a gate was opened.
//
// One mutex and one condition variable, so that ThreadSanitizer sees every edge between tasks.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <queue>
#include <stop_token>
#include <utility>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/circuit/task_order.h"

namespace thex::circuit {

class Scheduler {
 public:
  // Does one task. It gets a loop over pieces of its own work, in which threads without a task take part.
  using Body = std::function<void(std::size_t task, const ParallelFor& parallel)>;
  enum class State { waiting, finished };

  // `order` must outlive the object.
  explicit Scheduler(const TaskOrder& order);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Runs tasks until all have finished or the others wait for gates. `threads` >= 1 counts the calling thread; where
  // the system has no more threads to give, fewer do the work. A gate that is opened meanwhile is taken up at once.
  // The first exception of a task stops the start of further ones, and is thrown when those that run have ended, now
  // and by every later call. After `stop` is requested no further task is begun, nor a piece of one: Error(cancelled).
  // Throws Error(internal) when another thread is in advance() already.
  State advance(int threads, const Body& body, std::stop_token stop = {});

  // Opens the gate of a task, from any thread: each gate once.
  void open(std::size_t task);

  // Whether a task waits for nothing but a thread: advance() would begin it.
  bool runnable() const;

 private:
  // Pieces of one task's work. Listed while some of them are not begun.
  struct Loop {
    std::size_t count;
    const std::function<void(std::size_t)>& body;
    std::size_t begun = 0, done = 0;
    std::exception_ptr error;
  };
  using Lock = std::unique_lock<std::mutex>;
  using Entry = std::pair<int, std::size_t>;  // urgency, task

  void work(const Body& body, int threads);
  void run_next(Lock& lock, const Body& body, const ParallelFor& parallel);
  void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body);
  void help(Lock& lock, Loop& loop);
  void release(std::size_t task);  // one of those that it waits for is done
  void fail(std::exception_ptr error);

  const TaskOrder& order_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::size_t> waits_for_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready_;
  std::vector<Loop*> loops_;
  std::size_t left_, running_ = 0;
  bool advancing_ = false;
  bool resting_ = false;  // nothing is left to do for now: every thread of this advance() leaves
  std::exception_ptr error_;
  const std::exception_ptr cancelled_;  // made early: a run is cancelled without memory too
};

}  // namespace thex::circuit
