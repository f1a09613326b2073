// The trace interpreter: decides everything that the other interpreters and the key generator need, from the program
// alone.
//
// Levels are assigned backwards: what the client decrypts is at level 0, and every value is produced at the lowest
// level that its users allow, so that no operation is dearer than it must be. The ring is the smallest-cost one in
// which the modulus chain for that depth is 128-bit secure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "thex/base/error.h"
#include "thex/circuit/accounting.h"
#include "thex/circuit/noise_model.h"
#include "thex/circuit/plan.h"

namespace thex::circuit {

// Parameters were found, but too few bits of the result would be right for values of the sizes that were assumed.
class ImprecisePlan : public Error {
 public:
  explicit ImprecisePlan(const std::string& message) : Error(ErrorCode::crypto, message) {}
};

// There would be parameters, but for the masks of values as large as was assumed.
class UnmaskableValues : public Error {
 public:
  explicit UnmaskableValues(const std::string& message) : Error(ErrorCode::crypto, message) {}
};

struct PlannerOptions {
  double max_value = 256;  // largest absolute value that the client decrypts (with margin): sizes the lowest prime
  int min_log_n = 12, max_log_n = 16;
  ProgramLimits limits;    // of the programs of one ring together
  int min_log_scale = 33;  // rounding noise near 2^-20 of a slot at N = 2^15
  // Refuse a plan that is predicted to leave fewer bits in a result (ProgramPlan::result_bits); 0: no check. It never
  // changes which parameters are chosen.
  double min_precision_bits = 0;
  // Results are hidden but for this standard deviation of noise on them, which the server adds (ProgramPlan::hiding);
  // 0: not hidden.
  double flood_deviation = 0;
  // Refreshed values are to be hidden from the client up to a statistical distance of 2^-bits for each run
  // (mask_distance.h); 0: as well as the primes happen to allow.
  double statistical_bits = 0;
  // Predicts the errors of one program of a plan, by simulated runs on real values (run/clear.h) for instance. Empty:
  // predictions rest on assumed magnitudes (Node::assumed).
  std::function<NoiseEstimate(const Plan& plan, std::size_t program)> simulate;
};

// Chooses N, the modulus chain, the digits and the rotation keys for a set of programs that share one key set.
//
// What does not depend on the primes is found once: in each ring the programs are built, their levels assigned and
// their work counted, and then dropped; all chains are priced from the counts. A ring is given up as soon as a value
// needs more levels than the ring has, or the programs pass ProgramLimits: time and memory are bounded, whatever is
// asked for.
class Planner {
 public:
  // Returns the programs for so many slots: built within the limits, each for what the ones before it leave
  // (ProgramLimits::after), or throws when the layout does not fit.
  using Build = std::function<std::vector<Program>(std::size_t slots, const ProgramLimits& limits)>;

  Planner(Build build, PlannerOptions options) : build_(std::move(build)), options_(std::move(options)) {}

  // A plan with a scale of at least 2^min_log_scale, options.min_log_scale or more.
  // Throws Error(crypto) with the reasons when nothing up to max_log_n is 128-bit secure (UnmaskableValues where that
  // is for the masks), and ImprecisePlan, which names the step, when the result would lose the wanted precision.
  Plan plan(int min_log_scale, double min_precision_bits);
  Plan plan(int min_log_scale) { return plan(min_log_scale, options_.min_precision_bits); }
  Plan plan() { return plan(options_.min_log_scale); }
  // Gives up the memory of programs that are kept for another call.
  void forget_programs() { kept_.reset(); }

 private:
  // What is known of the programs for one ring.
  struct Ring {
    int log_n = 0;
    std::string refusal;     // why it has none
    bool too_large = false;  // because of ProgramLimits
    ckks::Level depth, level_sent = -1;
    int mask_bits = 0;  // ChainRequest::mask_bits
    std::vector<ProgramWork> work;
    ckks::KeyRequirements keys;
  };
  struct Programs {
    int log_n = 0;
    std::vector<Program> programs;
    std::vector<ProgramPlan> plans;  // levels
  };
  struct Choice {
    const Ring* ring = nullptr;
    ckks::ContextSpec spec;
    ckks::KeyRequirements keys;
  };

  void look_at_rings();
  Ring look_at(int log_n);
  Programs programs_for(int log_n);
  Choice cheapest(int min_log_scale) const;

  Build build_;
  PlannerOptions options_;
  std::vector<Ring> rings_;
  std::optional<Programs> kept_;  // the last that were built within the limits
};

// The same for programs without limits of their own: the Builder's default ones hold for each.
Plan make_plan(const std::function<std::vector<Program>(std::size_t slots)>& build, const PlannerOptions& options);

}  // namespace thex::circuit
