// The plain vectors of a planned program, encoded at the levels and scales at which its operations take them.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "thex/circuit/fusion.h"
#include "thex/circuit/plan.h"
#include "thex/circuit/run/plaintext_store.h"
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

// Throws Error(internal) when the program was built without weights.
EncodedPlains encode_plains(const ckks::Context& context, const Program& program, const ProgramPlan& plan,
                            const Fusion& fusion, PlaintextStore& store);

}  // namespace thex::circuit
