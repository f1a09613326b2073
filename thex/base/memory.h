// Figures of memory: this process's and the machine's.
#pragma once

#include <cstddef>

namespace thex {

// Resident memory of this process at its largest so far (VmHWM), in bytes; 0 when the system does not tell.
std::size_t peak_memory_bytes();

// What this process may use: the machine's memory, or less where a control group limits it.
std::size_t machine_memory_bytes();

}  // namespace thex
