// The trace interpreter: decides everything that the other interpreters and the key generator need, from the program
// alone.
//
// Levels are assigned backwards: what the client decrypts is at level 0, and every value is produced at the lowest
// level that its users allow, so that no operation is dearer than it must be. The ring is the smallest-cost one in
// which the modulus chain for that depth is 128-bit secure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/circuit/noise_model.h"
#include "thex/circuit/plan.h"

namespace thex::circuit {

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
  // Results are hidden but for this standard deviation of noise on them, which the server adds (ProgramPlan::hiding);
  // 0: not hidden.
  double flood_deviation = 0;
  // Predicts the errors of one program of a plan, by simulated runs on real values (run/clear.h) for instance. Empty:
  // predictions rest on assumed magnitudes.
  std::function<NoiseEstimate(const Plan& plan, std::size_t program)> simulate;
  AssumedMagnitudes assumed;
};

// Chooses N, the modulus chain, the digits and the rotation keys for a set of programs that share one key set.
// `build(slots)` returns the programs for that many slots, or throws when the layout does not fit.
// Throws Error(crypto) with the reason when nothing up to max_log_n is 128-bit secure, and ImprecisePlan, which names
// the step, when the result would lose the wanted precision.
Plan make_plan(const std::function<std::vector<Program>(std::size_t slots)>& build, const PlannerOptions& options);

}  // namespace thex::circuit
