// How many threads a program takes where nobody says: one for each core of the machine.
#pragma once

#include <algorithm>
#include <thread>

namespace thex {

inline int machine_threads() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

}  // namespace thex
