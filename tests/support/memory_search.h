// Looks for secrets in all writable memory of the process: heap, pools, stacks, dead or alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace thex::support {

inline constexpr std::uint64_t kDisguise = 0x9d3c'71e5'0b86'f24a;
inline constexpr std::size_t kNeedleWords = 4;

// 32 consecutive bytes of a secret, disguised so that they do not find themselves.
struct Needle {
  char name[40];
  std::uint64_t words[kNeedleWords];
};
using Needles = std::vector<Needle>;

inline Needle disguised(const char* name, const void* bytes) {
  Needle needle{};
  std::snprintf(needle.name, sizeof needle.name, "%s", name);
  for (std::size_t i = 0; i < kNeedleWords; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(bytes) + 8 * i, 8);
    needle.words[i] = word ^ kDisguise;
  }
  return needle;
}

struct MemoryRegion {
  const volatile unsigned char *begin, *end;
  char name[24];
};

inline std::vector<MemoryRegion> writable_memory() {
  std::vector<MemoryRegion> regions;
  std::FILE* const maps = std::fopen("/proc/self/maps", "r");
  char line[512];
  while (maps && std::fgets(line, sizeof line, maps)) {
    unsigned long begin = 0, end = 0;
    char permissions[5] = "", name[256] = "";
    if (std::sscanf(line, "%lx-%lx %4s %*s %*s %*s %255s", &begin, &end, permissions, name) < 3) continue;
    if (std::strncmp(permissions, "rw", 2) != 0) continue;
    MemoryRegion region{reinterpret_cast<const volatile unsigned char*>(begin),
                        reinterpret_cast<const volatile unsigned char*>(end), ""};
    std::snprintf(region.name, sizeof region.name, "%s", *name ? name : "anonymous");
    regions.push_back(region);
  }
  if (maps) std::fclose(maps);
  return regions;
}

// Names of the secrets found, each with the kind of memory. Compares word by word under the disguise, so that the
// search itself leaves no copy.
inline std::vector<std::string> found_in_memory(const Needles& needles) {
  std::vector<std::string> found;
  std::vector<bool> first_bytes(65536);  // a quick test: the first two bytes of any needle
  for (const Needle& needle : needles) first_bytes[(needle.words[0] ^ kDisguise) & 0xffff] = true;
  for (const MemoryRegion& region : writable_memory()) {
    for (const volatile unsigned char* p = region.begin; p + sizeof(Needle::words) <= region.end; ++p) {
      if (!first_bytes[static_cast<std::size_t>(p[0] | p[1] << 8)]) continue;
      for (const Needle& needle : needles) {
        std::uint64_t differs = 0;
        for (std::size_t i = 0; i < sizeof needle.words && differs == 0; ++i) {
          differs |= (p[i] ^ (kDisguise >> (8 * (i % 8))) ^ (needle.words[i / 8] >> (8 * (i % 8)))) & 0xff;
        }
        if (differs == 0) found.push_back(std::string(needle.name) + " in " + region.name);
      }
    }
  }
  return found;
}

inline bool mentions(const std::vector<std::string>& found, const std::string& name) {
  for (const std::string& entry : found) {
    if (entry.rfind(name, 0) == 0) return true;
  }
  return false;
}

}  // namespace thex::support
