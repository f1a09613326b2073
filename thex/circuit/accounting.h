// Counts, estimated time and key requirements of one program under given parameters.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "thex/circuit/cost_model.h"
#include "thex/circuit/plan.h"
#include "thex/circuit/program.h"

namespace thex::circuit {

// What the nodes of one label cost.
struct StepCost {
  std::string label;
  ckks::Level level;  // the highest at which they compute
  std::size_t rotations = 0, plain_products = 0, ciphertext_products = 0;
  std::map<ckks::Level, LevelWork> work;
  double seconds = 0;  // by the cost model
};

// What a program does at which level, whatever the primes: counted once, priced for every modulus chain.
struct ProgramWork {
  OperationCounts counts;
  std::map<ckks::Level, LevelWork> work;

  // By the cost model, on one thread.
  double seconds(const ckks::ContextSpec& spec, const OperationFactors& factors = {}) const;
};

// Needs plan.level. What the program needs is added to `keys`.
ProgramWork account(const Program& program, const ProgramPlan& plan, ckks::KeyRequirements& keys);

// What it costs, label by label in the order of the program.
std::vector<StepCost> step_costs(const Program& program, const ProgramPlan& plan, const ckks::ContextSpec& spec,
                                 const OperationFactors& factors = {});

// Memory of the encoded plain vectors: a compact plaintext of period H takes 2H words a limb, and special limbs too
// where a linear transform rotates.
std::size_t plaintext_bytes(const Program& program, const ProgramPlan& plan, const ckks::ContextSpec& spec);
// Of the largest group of linear transforms that are computed together alone.
std::size_t largest_group_bytes(const Program& program, const ProgramPlan& plan, const ckks::ContextSpec& spec);

}  // namespace thex::circuit
