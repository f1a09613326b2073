// A client step that encrypts its input as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "thex/circuit/slot_sources.h"

namespace thex::support {

// Slot i from slot i of vector `input`, whatever the length of a sentence.
inline std::vector<circuit::SlotSource> slots_in_order(std::size_t slots, std::int32_t input = 0) {
  std::vector<circuit::SlotSource> sources(slots);
  for (std::size_t i = 0; i < slots; ++i) sources[i] = {input, i, -1};
  return sources;
}

}  // namespace thex::support
