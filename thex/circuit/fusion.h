// Which nodes of a program are computed, and which linear transforms together: those of the same inputs at the same
// level share their baby steps. The planner counts by it and the ckks interpreter runs by it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "thex/circuit/program.h"
#include "thex/ckks/level.h"

namespace thex::circuit {

struct TransformGroup {
  std::vector<NodeId> nodes;  // linear transforms
  ckks::Level level;          // of the inputs; results are one lower
};

struct Fusion {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  std::vector<bool> needed;           // per node: by a result, or by what the client gets
  std::vector<std::size_t> group_of;  // per node: its transform group, else kNone
  std::vector<TransformGroup> groups;
};

// Whether a group multiplies by P: some term or sum is rotated.
bool rotates(const Program& program, const TransformGroup& group);

// `levels`: per node, as planned. A group comes into being at its first node.
Fusion find_fusion(const Program& program, std::span<const ckks::Level> levels);

}  // namespace thex::circuit
