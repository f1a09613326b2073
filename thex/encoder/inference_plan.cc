// Parameters, programs and leakage ledger of a model under its protocol.
#include "thex/encoder/inference_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>

#include "thex/base/error.h"
#include "thex/base/hasher.h"
#include "thex/base/hex.h"
#include "thex/circuit/answers.h"
#include "thex/circuit/digest.h"
#include "thex/encoder/ledger.h"
#include "thex/encoder/plan_choice.h"

namespace thex::encoder {
namespace {

// Raise when a change makes old clients and servers disagree although their configurations agree.
constexpr int kProtocolRevision = 5;

InferencePlan plan(const EncoderWeights& weights, bool with_weights, const PlanRequest& request) {
  PlanChoice choice = choose_plan(weights.config(), request);
  InferencePlan result;
  if (with_weights) choice.circuits.programs = build_circuits(choice, weights);
  result.protocol = choice.protocol;
  result.segments = choice.variant.segments;
  result.shapes = std::move(choice.shapes);
  result.circuits = std::move(choice.circuits);
  result.rounds = rounds_of(result.protocol, result.circuits.programs.front());
  result.prices = std::move(choice.prices);
  result.ledger = make_ledger(weights.config(), result);
  result.fingerprint = fingerprint_of(result);
  return result;
}

}  // namespace

// THE-X counts what comes back from the client.
int rounds_of(model::Protocol protocol, const circuit::Program& program) {
  const int turns = static_cast<int>(program.steps.size());
  return row_of(protocol).client_sees_values ? std::max(1, turns - 1) : turns;
}

std::string rounds_text(int rounds) { return std::to_string(rounds) + (rounds == 1 ? " round" : " rounds"); }

double InferencePlan::largest_value() const {
  return circuit::largest_result(*circuits.context, circuits.program_plans.front());
}

bool InferencePlan::hides_answers() const { return circuits.program_plans.front().hiding.has_value(); }

double InferencePlan::flood_deviation(std::size_t program) const {
  const auto& hiding = circuits.program_plans.at(program).hiding;
  return hiding ? ckks::flood_deviation(circuits.context->scale(0), *hiding) : 0;
}

std::optional<double> InferencePlan::exposed_bits(std::size_t program) const {
  const circuit::ProgramPlan& p = circuits.program_plans.at(program);
  if (!p.hiding) return std::nullopt;
  return static_cast<double>(circuits.programs[program].results.size()) *
         ckks::exposed_bits(*circuits.context, *p.hiding);
}

std::optional<double> InferencePlan::logit_bits(std::size_t program) const {
  const std::optional<double> computed = circuits.program_plans.at(program).result_bits;
  if (!computed) return std::nullopt;
  return -std::log2(std::hypot(std::exp2(-*computed), flood_deviation(program)));
}

std::optional<double> InferencePlan::statistical_bits() const {
  std::optional<double> least;
  for (const circuit::ProgramPlan& p : circuits.program_plans)
    if (p.statistical_bits) least = least ? std::min(*least, *p.statistical_bits) : *p.statistical_bits;
  return least;
}

std::optional<double> InferencePlan::flood_bits_above_noise() const {
  if (!hides_answers()) return std::nullopt;
  std::optional<double> least;
  for (std::size_t i = 0; i < circuits.program_plans.size(); ++i) {
    const std::optional<double> bits = circuits.program_plans[i].result_bits;
    if (!bits) return std::nullopt;
    const double above = *bits + std::log2(flood_deviation(i));
    least = least ? std::min(*least, above) : above;
  }
  return least;
}

std::string to_string(const QueryShape& shape) {
  return (shape.sentences > 1 ? std::to_string(shape.sentences) + " x " : "") + std::to_string(shape.tokens) +
         " tokens";
}

std::size_t InferencePlan::bucket_count() const {
  return static_cast<std::size_t>(std::ranges::count(shapes, 1, &QueryShape::sentences));
}

int InferencePlan::max_tokens() const { return shapes[bucket_count() - 1].tokens; }

std::size_t InferencePlan::program_for(int tokens) const {
  for (std::size_t i = 0; i < bucket_count(); ++i)
    if (tokens <= shapes[i].tokens) return i;
  const bool largest = max_tokens() == *std::rbegin(kBuckets);
  throw Error(ErrorCode::input,
              "the text has " + std::to_string(tokens) + " tokens; the largest length bucket of this plan is " +
                  std::to_string(max_tokens()) + ": shorten it" +
                  (largest ? "" : ", or raise --max-tokens on both sides, up to what the model takes"));
}

std::size_t InferencePlan::batch_program_for(std::size_t sentences, int tokens) const {
  if (sentences == 1) return program_for(tokens);
  for (std::size_t i = bucket_count(); i < shapes.size(); ++i)
    if (tokens <= shapes[i].tokens && sentences <= static_cast<std::size_t>(shapes[i].sentences)) return i;
  throw Error(ErrorCode::input, "this plan has no batch of " + std::to_string(sentences) + " sentences of up to " +
                                    std::to_string(tokens) + " tokens: ask for them one by one");
}

std::string reason_of(const InferencePlan& plan) {
  const auto told = [](const PlanPrice& price) {
    char text[120];
    std::snprintf(text, sizeof text, "%s (%s, about %.2g s, keys of %.0f MB)", name_of(price.protocol),
                  rounds_text(price.rounds).c_str(), price.seconds, static_cast<double>(price.key_bytes) / 1e6);
    return std::string(text);
  };
  std::string chosen, others;
  for (const model::ProtocolRow& row : model::protocols()) {
    const PlanPrice* best = nullptr;
    bool compared = false;
    for (const PlanPrice& price : plan.prices) {
      if (price.protocol != row.protocol) continue;
      compared = true;
      if (price.refusal.empty() && (best == nullptr || price.seconds < best->seconds)) best = &price;
    }
    if (row.protocol == plan.protocol)
      chosen = best != nullptr ? told(*best) : row.name;
    else if (compared)
      others += (others.empty() ? "" : ", ") + (best != nullptr ? told(*best) : std::string(row.name) + " (no plan)");
  }
  return others.empty() ? "" : "queries are answered by " + chosen + "; compared with " + others;
}

// Every member is named, so that a new one does not compile before somebody has decided whether the other side must
// know it. Rounds follow from the circuits.
std::string fingerprint_of(const InferencePlan& plan) {
  const auto& [protocol, segments, shapes, circuits, rounds, prices, ledger, fingerprint] = plan;
  Hasher hasher("thex plan 2");
  hasher.number(kProtocolRevision);
  hasher.text(model::name_of(protocol));
  hasher.list(shapes, [&](const QueryShape& query) {
    const auto& [tokens, sentences] = query;
    hasher.number(tokens);
    hasher.number(sentences);
  });
  circuit::update(hasher, circuits);
  return hex(hasher.finish()).substr(0, 32);
}

InferencePlan plan_inference(const model::ModelConfig& config, const PlanRequest& request) {
  return plan(EncoderWeights(config), false, request);
}

InferencePlan plan_inference(std::shared_ptr<const model::Model> model, const PlanRequest& request) {
  return plan(EncoderWeights(std::move(model)), true, request);
}

}  // namespace thex::encoder
