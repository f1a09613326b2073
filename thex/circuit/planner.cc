#include "thex/circuit/planner.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "thex/base/error.h"
#include "thex/circuit/accounting.h"
#include "thex/circuit/levels.h"
#include "thex/circuit/mask_distance.h"
#include "thex/circuit/noise_model.h"
#include "thex/circuit/refresh.h"
#include "thex/circuit/working_memory.h"
#include "thex/ckks/modulus_chain.h"
#include "thex/ckks/rerandomise.h"
#include "thex/ckks/serialization.h"

namespace thex::circuit {
namespace {

constexpr int kMaxLogScale = 40;  // more precision than inference can use

// The modulus chains for a depth in one ring (ckks/modulus_chain.h). Empty when a scale of 2^min_log_scale does not
// fit.
std::vector<ckks::ContextSpec> candidate_chains(int log_n, ckks::Level depth, int min_log_scale, double max_value,
                                                int mask_bits = 0) {
  const int integer_bits =
      static_cast<int>(std::ceil(std::log2(std::max(2.0, max_value)))) + 2;  // sign and one bit of margin
  return ckks::modulus_chains({.log_n = log_n,
                               .depth = depth,
                               .integer_bits = integer_bits,
                               .min_log_scale = min_log_scale,
                               .max_log_scale = kMaxLogScale,
                               .mask_bits = mask_bits});
}

// What a run sends, and the memory that it takes.
void account_run(const Program& program, ProgramPlan& plan, const ckks::Context& context) {
  for (std::size_t step = 0; step <= program.steps.size(); ++step) {
    for (const Travelling& t : to_client(program, plan, step)) plan.bytes_to_client += bytes_to_client(context, t);
    for (const Travelling& t : to_server(program, plan, step)) plan.bytes_to_server += bytes_to_server(context, t);
  }
  const WorkingMemory memory = working_memory(program, make_task_graph(program, plan), context.spec());
  plan.working_bytes = memory.bytes;
  plan.thread_bytes = memory.thread_bytes;
}

// Fills result_bits, and refuses what is not precise enough. Without a simulation the plan needs no context yet.
void predict_precision(Plan& plan, const PlannerOptions& options, double min_precision_bits) {
  const OperationNoise noise(plan.spec);
  for (std::size_t i = 0; i < plan.programs.size(); ++i) {
    const Program& program = plan.programs[i];
    ProgramPlan& levels = plan.program_plans[i];
    const NoiseEstimate estimate =
        options.simulate ? options.simulate(plan, i) : estimate_noise(program, levels, noise);
    levels.result_bits = estimate.result_bits();
    if (!(min_precision_bits > 0) || *levels.result_bits >= min_precision_bits) continue;
    const NodeId at = where_precision_falls(program, estimate, min_precision_bits);
    const Node& node = program.nodes[at];
    char text[400];
    std::snprintf(text, sizeof text,
                  "the result of program %zu would keep %.1f bits behind the binary point, %.1f are wanted; precision "
                  "falls at step '%s' (%s, %.1f bits, values near %.3g) with the scale 2^%d at N = 2^%d: it needs a "
                  "larger scale, smaller values before that step, or fewer bits of the result",
                  i, std::max(0.0, *levels.result_bits), min_precision_bits, std::string(node.label).c_str(),
                  name_of(node.op), estimate.bits(at), estimate.magnitude[at], plan.spec.log_scale, plan.spec.log_n);
    throw ImprecisePlan(text);
  }
}

// The highest level of what the server re-randomises before it sends it; -1: nothing. Results are, where they are
// flooded.
ckks::Level level_of_sent(const std::vector<Program>& programs, const std::vector<ProgramPlan>& plans,
                          const PlannerOptions& options) {
  ckks::Level level = options.flood_deviation > 0 ? 0 : -1;
  for (std::size_t i = 0; i < programs.size(); ++i)
    for (std::size_t step = 1; step < programs[i].steps.size(); ++step)
      for (const Travelling& t : to_client(programs[i], plans[i], step)) level = std::max(level, t.level);
  return level;
}

// Whether keys of the chain can hold an encryption of zero at that level: a digit beyond those of the level. Makes sure
// that one of the keys does.
bool require_zero(const ckks::ContextSpec& chain, ckks::Level level, ckks::KeyRequirements& keys) {
  if (level < 0) return true;
  const std::size_t digits = ckks::digits_of(level.limbs(), chain.digit_limbs);
  const ckks::Level needed = ckks::Level::of_limbs(digits * chain.digit_limbs + 1);
  if (needed.limbs() > chain.q_bits.size()) return false;
  ckks::Level highest = std::max(keys.relinearization_level, keys.conjugation_level);
  for (const auto& [steps, key_level] : keys.rotations)
    highest = std::max<ckks::Level>(highest, steps == 0 ? -1 : key_level);
  if (highest < needed) keys.relinearization_level = needed;
  return true;
}

// At level 1, where q_1 is wider than the scale.
void require_plaintext_products(const Plan& plan) {
  for (std::size_t i = 0; i < plan.programs.size(); ++i)
    for (std::size_t id = 0; id < plan.programs[i].nodes.size(); ++id) {
      const Node& node = plan.programs[i].nodes[id];
      if (node.op == Op::product_sum && plan.program_plans[i].level[id] == 0)
        throw Error(ErrorCode::internal, "circuit step '" + std::string(node.label) +
                                             "' multiplies two ciphertexts at level 1, whose prime is wide");
    }
}

void plan_hiding(Plan& plan, const PlannerOptions& options) {
  const ckks::Context& context = *plan.context;
  for (const Program& program : plan.programs) {
    std::set<RefreshMethod> methods;
    for (const Node& node : program.nodes)
      if (node.op == Op::refresh) methods.insert(node.refresh);
    for (const RefreshMethod method : methods) require_refreshable(context, method);
  }
  for (std::size_t i = 0; i < plan.programs.size(); ++i) {
    const double size = log_refreshed_size(plan.programs[i]);
    if (!std::isfinite(size)) continue;
    const double bits = statistical_bits(context, size);
    if (bits < options.statistical_bits)
      throw Error(ErrorCode::crypto, "refreshed values would be within a statistical distance of 2^-" +
                                         std::to_string(bits) + " of what does not depend on them; 2^-" +
                                         std::to_string(options.statistical_bits) + " is wanted");
    plan.program_plans[i].statistical_bits = bits;
  }
  if (context.spec().wide_q1) require_plaintext_products(plan);
  if (!(options.flood_deviation > 0)) return;
  const std::size_t available = ckks::zero_encryptions(context, plan.keys, 0);
  for (std::size_t i = 0; i < plan.programs.size(); ++i)
    plan.program_plans[i].hiding = ckks::plan_answer_hiding(context, context.scale(0), plan.programs[i].result_period,
                                                            options.flood_deviation, available);
}

// The most levels that a ring has for values up to that size; -1: not even one prime fits.
ckks::Level deepest(int log_n, int min_log_scale, double max_value) {
  ckks::Level depth = -1;
  while (!candidate_chains(log_n, depth + 1, min_log_scale, max_value).empty()) ++depth;
  return depth;
}

// The bytes of all keys in memory.
std::size_t key_memory(const ckks::Context& context, const ckks::KeyRequirements& keys) {
  const auto one = [&](ckks::Level level) {
    return 2 * context.digit_count(level) * (level.limbs() + context.special_count()) * context.n() * 8;
  };
  std::size_t bytes = 0;
  for (const auto& [steps, level] : keys.rotations) bytes += one(level);
  for (const ckks::Level level : {keys.relinearization_level, keys.conjugation_level})
    if (level >= 0) bytes += one(level);
  return bytes;
}

}  // namespace

Planner::Programs Planner::programs_for(int log_n) {
  if (kept_ && kept_->log_n == log_n) return *std::exchange(kept_, std::nullopt);
  ProgramLimits limits = options_.limits;
  limits.depth = std::min(limits.depth, deepest(log_n, options_.min_log_scale, options_.max_value).number());
  Programs all{.log_n = log_n, .programs = build_(std::size_t{1} << (log_n - 1), limits), .plans = {}};
  for (const Program& program : all.programs) all.plans.push_back(assign_levels(program));
  return all;
}

Planner::Ring Planner::look_at(int log_n) {
  Ring ring{.log_n = log_n};
  if (deepest(log_n, options_.min_log_scale, options_.max_value) < 0) {
    ring.refusal = "not even one level fits under " + std::to_string(ckks::max_log_qp_128(log_n)) +
                   " bits for decrypted values up to " + std::to_string(options_.max_value);
    return ring;
  }
  try {
    Programs all = programs_for(log_n);
    ring.level_sent = level_of_sent(all.programs, all.plans, options_);
    ring.depth = ring.level_sent + 1;
    for (std::size_t i = 0; i < all.programs.size(); ++i) {
      ring.depth = std::max(ring.depth, all.plans[i].depth);
      ring.work.push_back(account(all.programs[i], all.plans[i], ring.keys));
      if (options_.statistical_bits > 0) {
        const double size = log_refreshed_size(all.programs[i]);
        if (std::isfinite(size))
          ring.mask_bits = std::max(ring.mask_bits, mask_bits_for(options_.statistical_bits, size));
      }
    }
    kept_ = std::move(all);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::internal) throw;
    ring.refusal = e.what();
    ring.too_large = dynamic_cast<const ProgramTooLarge*>(&e) != nullptr;
  }
  return ring;
}

// The largest first: half the slots take about twice the nodes, and offer half the levels.
void Planner::look_at_rings() {
  for (int log_n = std::min(16, options_.max_log_n); log_n >= std::max(12, options_.min_log_n); --log_n) {
    if (!rings_.empty() && rings_.front().too_large)
      rings_.insert(
          rings_.begin(),
          {.log_n = log_n, .refusal = "too small, as N=2^" + std::to_string(log_n + 1) + " is", .too_large = true});
    else
      rings_.insert(rings_.begin(), look_at(log_n));
  }
}

Planner::Choice Planner::cheapest(int min_log_scale) const {
  Choice best;
  double best_cost = std::numeric_limits<double>::infinity();
  std::string reasons;
  bool too_wide_masks = false;
  for (const Ring& ring : rings_) {
    const std::string name = "; N=2^" + std::to_string(ring.log_n) + ": ";
    if (!ring.refusal.empty()) {
      reasons += name + ring.refusal;
      continue;
    }
    const auto chains_with = [&](int mask_bits) {
      return candidate_chains(ring.log_n, ring.depth, min_log_scale, options_.max_value, mask_bits);
    };
    const auto chains = chains_with(ring.mask_bits);
    if (chains.empty()) {
      too_wide_masks = too_wide_masks || !chains_with(0).empty();
      reasons +=
          name + to_string(ring.depth) + " levels do not fit under " +
          std::to_string(ckks::max_log_qp_128(ring.log_n)) + " bits for decrypted values up to " +
          std::to_string(options_.max_value) +
          (ring.mask_bits > 0 ? " and masks of " + std::to_string(ring.mask_bits) + " bits above the scale" : "");
    }
    for (const ckks::ContextSpec& chain : chains) {
      ckks::KeyRequirements keys = ring.keys;
      if (!require_zero(chain, ring.level_sent, keys)) continue;
      double cost = 0;
      for (const ProgramWork& work : ring.work) cost += work.seconds(chain);
      if (cost >= best_cost) continue;
      best_cost = cost;
      best = {.ring = &ring, .spec = chain, .keys = std::move(keys)};
    }
  }
  if (best.ring != nullptr) return best;
  const std::string text = "no 128-bit secure parameters for this circuit" + reasons;
  if (too_wide_masks) throw UnmaskableValues(text);
  throw Error(ErrorCode::crypto, text);
}

Plan Planner::plan(int min_log_scale, double min_precision_bits) {
  if (rings_.empty()) look_at_rings();
  Choice choice = cheapest(min_log_scale);
  if (kept_ && kept_->log_n != choice.ring->log_n) kept_.reset();
  Programs all = programs_for(choice.ring->log_n);
  Plan plan{.spec = choice.spec,
            .context = nullptr,
            .keys = std::move(choice.keys),
            .programs = std::move(all.programs),
            .program_plans = std::move(all.plans)};
  for (std::size_t i = 0; i < plan.programs.size(); ++i) {
    const ProgramWork& work = choice.ring->work[i];
    plan.program_plans[i].counts = work.counts;
    plan.program_plans[i].estimated_seconds = work.seconds(plan.spec);
  }
  try {
    if (!options_.simulate && min_precision_bits > 0) predict_precision(plan, options_, min_precision_bits);
    plan.context = ckks::Context::create(plan.spec);
    if (options_.simulate) predict_precision(plan, options_, min_precision_bits);
  } catch (const ImprecisePlan&) {
    kept_ = {.log_n = choice.ring->log_n, .programs = std::move(plan.programs), .plans = std::move(plan.program_plans)};
    throw;
  }
  plan.key_bytes_wire = ckks::evaluation_keys_bytes(*plan.context, plan.keys);
  plan.key_bytes_memory = key_memory(*plan.context, plan.keys);
  plan_hiding(plan, options_);
  for (std::size_t i = 0; i < plan.programs.size(); ++i)
    account_run(plan.programs[i], plan.program_plans[i], *plan.context);
  return plan;
}

Plan make_plan(const std::function<std::vector<Program>(std::size_t slots)>& build, const PlannerOptions& options) {
  return Planner([&](std::size_t slots, const ProgramLimits&) { return build(slots); }, options).plan();
}

}  // namespace thex::circuit
