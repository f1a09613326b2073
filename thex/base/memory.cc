#include "thex/base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>

namespace thex {

std::size_t peak_memory_bytes() {
  constexpr std::string_view kField = "VmHWM:";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(kField, 0) == 0) return static_cast<std::size_t>(std::stoull(line.substr(kField.size()))) * 1024;
  }
  return 0;
}

std::size_t machine_memory_bytes() {
  auto bytes = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream limit(path);
    std::size_t most = 0;
    if (limit >> most) bytes = std::min(bytes, most);  // "max" is no number: no limit
  }
  return bytes;
}

}  // namespace thex
