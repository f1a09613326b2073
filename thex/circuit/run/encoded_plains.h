// The plain vectors of a planned program, encoded at the levels and scales at which its operations take them.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "thex/base/parallel.h"
#include "thex/circuit/fusion.h"
#include "thex/circuit/plan.h"
#include "thex/circuit/run/plaintext_store.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/linear_transform.h"

namespace thex::circuit {

// A factor's scale is the one that brings the product to the canonical scale of its level, whatever level the other
// factor came from.
struct EncodedPlains {
  std::vector<std::vector<std::shared_ptr<const ckks::Plaintext>>> of_node;  // of single nodes
  std::vector<std::vector<ckks::LinearTransform>> of_group;                  // per transform group; they point into:
  std::vector<std::shared_ptr<const ckks::Plaintext>> kept;
  std::size_t bytes = 0;  // of the residues, each plaintext once
};

// When the plaintexts of linear transforms are encoded, which are most of all: with the others, or while the program
// runs, anew each time, where they are too many to be kept.
enum class Encoding { ahead, while_running };

// By Encoding::while_running the groups are left empty. Throws Error(internal) when the program was built without
// weights.
EncodedPlains encode_plains(const ckks::Context& context, const Program& program, const ProgramPlan& plan,
                            const Fusion& fusion, Encoding encoding, PlaintextStore& store);

// The plaintexts of one group of transforms; `transforms` point into the others.
struct EncodedGroup {
  std::vector<ckks::LinearTransform> transforms;
  std::vector<ckks::Plaintext> kept;
};
EncodedGroup encode_group(const ckks::Context& context, const ckks::Encoder& encoder, const Program& program,
                          const ProgramPlan& plan, const TransformGroup& group, const ParallelFor& parallel);

}  // namespace thex::circuit
