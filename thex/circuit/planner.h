// The trace interpreter: decides everything that the other interpreters and the key generator need, from the program
// alone.
//
// Levels are assigned backwards: what the client decrypts is at level 0, and every value is produced at the lowest
// level that its users allow, so that no operation is dearer than it must be. The ring is the smallest-cost one in
// which the modulus chain for that depth is 128-bit secure.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/circuit/program.h"
#include "thex/ckks/context.h"
#include "thex/ckks/keys.h"

namespace thex::circuit {

struct OperationCounts {
  std::size_t rotations = 0, ciphertext_products = 0, plain_products = 0, rescales = 0, relinearizations = 0;
};

// One program (one length bucket) under the chosen parameters.
struct ProgramPlan {
  std::vector<int> level;    // per node: the level at which it is produced
  std::vector<int> urgency;  // per node: the earliest client step (or, last, the result) that waits for it
  int depth = 0;             // highest level of any fresh encryption
  OperationCounts counts;
  double estimated_seconds = 0;     // server, one thread
  std::size_t bytes_to_server = 0;  // ciphertexts sent by the client, all steps
  std::size_t bytes_to_client = 0;
  // Predicted -log2 of the standard deviation of the error of the worst result slot; when the planner was asked to
  // predict (PlannerOptions).
  std::optional<double> result_bits;
};

struct Plan {
  ckks::ContextSpec spec;
  ckks::ContextPtr context;
  ckks::KeyRequirements keys;     // over all programs
  std::vector<Program> programs;  // rebuilt for the chosen slot count
  std::vector<ProgramPlan> program_plans;
  std::size_t key_bytes_wire = 0, key_bytes_memory = 0;
};

// Root mean squares to assume where neither weights nor data are at hand.
struct AssumedMagnitudes {
  double fresh = 1;   // of what the client encrypts
  double weight = 1;  // of a plain vector without values
  // The same for the plain vectors of one node, when it depends on the step; empty: `weight` for all.
  std::function<double(const Program&, const Node&)> weight_of;
  // Of one node that the client encrypts; empty: `fresh` for all.
  std::function<double(const Program&, const Node&)> fresh_of;
  // The largest that a node's values are known to have, whatever follows from its inputs; empty: no limit.
  std::function<double(const Program&, const Node&)> at_most;
};

// Parameters were found, but too few bits of the result would be right for values of the sizes that were assumed.
class ImprecisePlan : public Error {
 public:
  explicit ImprecisePlan(const std::string& message) : Error(ErrorCode::crypto, message) {}
};

struct PlannerOptions {
  double max_value = 256;  // largest absolute value that the client decrypts (with margin): sizes the lowest prime
  int min_log_n = 12, max_log_n = 16;
  int min_log_scale = 33;  // rounding noise near 2^-20 of a slot at N = 2^15
  // Refuse a plan that is predicted to leave fewer bits in a result (ProgramPlan::result_bits); 0: no check. It never
  // changes which parameters are chosen.
  double min_precision_bits = 0;
  // An input of step 0 in clear, typical in size: predictions are then simulated runs (clear.h), and programs must have
  // their weights. Without it they rest on assumed magnitudes.
  std::function<std::vector<double>(const Program&)> sample;
  AssumedMagnitudes assumed;
};

// Chooses N, the modulus chain, the digits and the rotation keys for a set of programs that share one key set.
// `build(slots)` returns the programs for that many slots, or throws when the layout does not fit.
// Throws Error(crypto) with the reason when nothing up to max_log_n is 128-bit secure, and ImprecisePlan, which names
// the step, when the result would lose the wanted precision.
Plan make_plan(const std::function<std::vector<Program>(std::size_t slots)>& build, const PlannerOptions& options);

// Levels of one program, independent of any ring. Throws Error(internal) when a refreshed value is used otherwise than
// in a weighted sum, rotated or not.
ProgramPlan assign_levels(const Program& program);

// Whether a value is a refreshed one, rotated or not.
bool keeps_refresh_scale(const Program& program, NodeId node);

// The scale of a value: canonical for its level, but for refreshed values, which keep the scale they were sent at.
double value_scale(const ckks::Context& context, const Program& program, const ProgramPlan& plan, NodeId node);

// The ciphertexts of one turn, in the order in which they travel.
struct Travelling {
  NodeId node;
  int level;
  double scale;
  bool masked;  // a refresh: the client re-encrypts it unread
};
// Server to client before step >= 1; for step = steps.size(), the results.
std::vector<Travelling> to_client(const ckks::Context& context, const Program& program, const ProgramPlan& plan,
                                  std::size_t step);
// Client to server after a step; always seeded.
std::vector<Travelling> to_server(const ckks::Context& context, const Program& program, const ProgramPlan& plan,
                                  std::size_t step);

}  // namespace thex::circuit
