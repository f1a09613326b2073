// Which nodes of a program are computed together: linear transforms and sums of rotations that the builder marked as
// one operation (program.h). The planner counts by it and the ckks interpreter runs by it; the clear interpreter works
// node by node.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "thex/circuit/program.h"
#include "thex/ckks/level.h"

namespace thex::circuit {

// Transforms of the same inputs at the same level: they share their baby steps.
struct TransformGroup {
  std::vector<std::size_t> transforms;  // indices into Program::transforms
  ckks::Level level;                    // of the inputs; results are one lower
};

struct Fusion {
  enum class How {
    unused,     // inside a fused operation, or needed by nothing
    alone,      // by its own operation
    transform,  // the output of a transform: group number `index`
    sum,        // the output of a rotation sum: number `index`
  };
  struct Item {
    How how = How::unused;
    std::size_t index = 0;
  };
  std::vector<Item> nodes;
  std::vector<TransformGroup> groups;
};

// Whether a group multiplies by P: some term or sum is rotated.
bool rotates(const Program& program, const TransformGroup& group);

// `levels`: per node, as planned. A group comes into being at its first output in node order.
Fusion find_fusion(const Program& program, std::span<const ckks::Level> levels);

}  // namespace thex::circuit
