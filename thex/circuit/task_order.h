// Who waits for whom: the order in which tasks may run, as data, made once and shared by every run.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace thex::circuit {

class TaskOrder {
 public:
  struct Entry {
    int urgency = 0;            // lower runs first; ties in index order
    std::size_t waits_for = 0;  // how many tasks come before it, and one more when it is to be opened from outside
    std::vector<std::size_t> successors;
  };

  // The next task. `after`: the tasks that must have finished, with or without repetition. One with a `gate` also waits
  // until it is opened (Scheduler::open). Throws Error(internal) when it waits for itself or for a later task.
  // Returns its index.
  std::size_t add(int urgency, std::span<const std::size_t> after, bool gate = false);

  std::size_t size() const { return entries_.size(); }
  const Entry& operator[](std::size_t task) const { return entries_[task]; }

 private:
  std::vector<Entry> entries_;
};

}  // namespace thex::circuit
