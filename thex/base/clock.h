// Time as the program measures it: monotonic, unaffected by changes of the date.
#pragma once

#include <chrono>
#include <functional>

namespace thex {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Deadline = Clock::time_point;

// Where "now" comes from: Clock::now, or a clock that a test sets.
using TimeSource = std::function<Time()>;

inline Deadline in(std::chrono::milliseconds time) { return Clock::now() + time; }
inline double seconds_since(Time start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace thex
