#include "thex/circuit/task_order.h"

#include <string>

#include "thex/base/error.h"

namespace thex::circuit {

std::size_t TaskOrder::add(int urgency, std::span<const std::size_t> after, bool gate) {
  const std::size_t task = entries_.size();
  for (const std::size_t before : after) {
    if (before >= task)
      throw Error(ErrorCode::internal, "task " + std::to_string(task) + " waits for task " + std::to_string(before) +
                                           ", which does not come before it");
  }
  for (const std::size_t before : after) entries_[before].successors.push_back(task);
  entries_.push_back({.urgency = urgency, .waits_for = after.size() + (gate ? 1 : 0), .successors = {}});
  return task;
}

}  // namespace thex::circuit
