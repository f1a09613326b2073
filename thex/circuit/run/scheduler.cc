#include "thex/circuit/run/scheduler.h"

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include "thex/base/error.h"

namespace thex::circuit {

Scheduler::Scheduler(const TaskOrder& order)
    : order_(order),
      waits_for_(order.size()),
      left_(order.size()),
      cancelled_(std::make_exception_ptr(Error(ErrorCode::cancelled, "the computation was cancelled"))) {
  std::vector<Entry> room;
  room.reserve(order.size());
  ready_ = decltype(ready_)(std::greater<>(), std::move(room));
  for (std::size_t task = 0; task < order.size(); ++task) {
    waits_for_[task] = order[task].waits_for;
    if (waits_for_[task] == 0) ready_.push({order[task].urgency, task});
  }
}

void Scheduler::release(std::size_t task) {
  if (--waits_for_[task] == 0) ready_.push({order_[task].urgency, task});
}

void Scheduler::open(std::size_t task) {
  const Lock lock(mutex_);
  release(task);
  changed_.notify_all();
}

bool Scheduler::runnable() const {
  const Lock lock(mutex_);
  return !error_ && !ready_.empty();
}

void Scheduler::fail(std::exception_ptr error) {
  if (!error_) error_ = std::move(error);
  changed_.notify_all();
}

Scheduler::State Scheduler::advance(int threads, const Body& body, std::stop_token stop) {
  Lock lock(mutex_);
  if (advancing_) throw Error(ErrorCode::internal, "two threads advance one run at the same time");
  advancing_ = true;
  lock.unlock();
  {
    const std::stop_callback cancel(stop, [this] {
      const Lock cancel_lock(mutex_);
      if (left_ > 0) fail(cancelled_);
    });
    lock.lock();
    do {
      resting_ = false;
      lock.unlock();
      {
        std::vector<std::jthread> others;
        others.reserve(static_cast<std::size_t>(std::max(threads, 1)));
        try {
          while (others.size() + 1 < static_cast<std::size_t>(std::max(threads, 1)))
            others.emplace_back([&] { work(body, threads); });
        } catch (const std::system_error&) {
          // No further thread is to be had: those that are there do the work.
        }
        work(body, threads);
      }
      lock.lock();
    } while (!error_ && !ready_.empty());
    lock.unlock();
  }
  lock.lock();
  advancing_ = false;
  if (error_) std::rethrow_exception(error_);
  return left_ == 0 ? State::finished : State::waiting;
}

void Scheduler::work(const Body& body, int threads) {
  const ParallelFor parallel = [this, threads](std::size_t count, const std::function<void(std::size_t)>& piece) {
    if (threads <= 1 || count == 1) return serial_for(count, piece);
    parallel_for(count, piece);
  };
  Lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return resting_ || error_ || running_ == 0 || !ready_.empty() || !loops_.empty(); });
    if (resting_ || error_) return;
    if (!ready_.empty()) {
      run_next(lock, body, parallel);
    } else if (!loops_.empty()) {
      help(lock, *loops_.front());
    } else {
      resting_ = true;
      changed_.notify_all();
    }
  }
}

// Does the most urgent task; the lock is held before and after.
void Scheduler::run_next(Lock& lock, const Body& body, const ParallelFor& parallel) {
  const std::size_t task = ready_.top().second;
  ready_.pop();
  ++running_;
  lock.unlock();
  std::exception_ptr error;
  try {
    body(task, parallel);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  --running_;
  if (error) return fail(error);
  --left_;
  for (const std::size_t next : order_[task].successors) release(next);
  changed_.notify_all();
}

void Scheduler::parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  if (count == 0) return;
  Loop loop{count, body};
  Lock lock(mutex_);
  loops_.push_back(&loop);
  changed_.notify_all();
  while (loop.begun < count) help(lock, loop);
  changed_.wait(lock, [&] { return loop.done == count; });
  lock.unlock();
  if (loop.error) std::rethrow_exception(loop.error);
}

// Does one piece of the loop, or drops it when the run has failed; the lock is held before and after.
void Scheduler::help(Lock& lock, Loop& loop) {
  const std::size_t piece = loop.begun++;
  if (loop.begun == loop.count) std::erase(loops_, &loop);
  std::exception_ptr error = error_;
  if (!error) {
    lock.unlock();
    try {
      loop.body(piece);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
  }
  if (error && !loop.error) loop.error = error;
  if (++loop.done == loop.count) changed_.notify_all();
}

}  // namespace thex::circuit
