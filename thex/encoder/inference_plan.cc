// Parameters, programs and leakage ledger of a model under its protocol.
#include "thex/encoder/inference_plan.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <optional>
#include <span>
#include <string>

#include "thex/base/error.h"
#include "thex/base/hasher.h"
#include "thex/base/hex.h"
#include "thex/circuit/answers.h"
#include "thex/circuit/digest.h"
#include "thex/encoder/ledger.h"
#include "thex/encoder/protocol_table.h"

namespace thex::encoder {
namespace {

// Raise when a change makes old clients and servers disagree although their configurations agree.
constexpr int kProtocolRevision = 4;

// The logits must keep this many bits behind the binary point: an error of 0.004 decides nothing that is not close.
constexpr double kMinLogitBits = 8;

// The bits that the computation must keep for an answer to keep so many with a flood of that deviation.
double bits_besides_flood(double bits, double deviation) {
  return -0.5 * std::log2(std::exp2(-2 * bits) - deviation * deviation);
}

// The same error with what its user can do about it.
[[noreturn]] void refuse(const Error& error, model::Protocol protocol) {
  std::string advice = "; fewer layers, a narrower model or a smaller --max-tokens may fit";
  if (!row_of(protocol).any_depth)
    for (const model::ProtocolRow& other : model::protocols())
      if (other.any_depth)
        advice += std::string(", or the protocol ") + other.name + ", whose depth does not grow with the layers";
  throw Error(error.code(), error.what() + advice);
}

// The buckets, then batches: as many sentences of each as fill a ciphertext.
std::vector<QueryShape> with_batches(std::vector<QueryShape> shapes, const EncoderProtocol& row,
                                     const model::ModelConfig& config, std::size_t slots) {
  const std::size_t buckets = shapes.size();
  for (std::size_t i = 0; i < buckets; ++i) {
    const int sentences = row.batch(config, shapes[i].tokens, slots);
    if (sentences > 1) shapes.push_back({shapes[i].tokens, sentences});
  }
  return shapes;
}

InferencePlan plan(const EncoderWeights& weights, bool with_weights, int max_tokens) {
  const model::ModelConfig& config = weights.config();
  if (!config.he_friendly())
    throw Error(
        ErrorCode::model,
        "the model is not HE-friendly yet (activation, softmax or LayerNorm is exact): run `thex convert` on it first");
  const model::Protocol protocol = *config.protocol();
  const EncoderProtocol& row = encoder_row(protocol);
  InferencePlan result;
  result.protocol = protocol;
  for (int bucket : kBuckets)
    if (bucket <= config.max_positions && (result.shapes.empty() || result.shapes.back().tokens < max_tokens))
      result.shapes.push_back({bucket});
  if (result.shapes.empty() || max_tokens < 1)
    throw Error(ErrorCode::model, "max_position_embeddings " + std::to_string(config.max_positions) +
                                      " and max tokens " + std::to_string(max_tokens) +
                                      " leave no length bucket; the smallest is " + std::to_string(kBuckets[0]));
  const auto shapes = [&, buckets = result.shapes](std::size_t slots) {
    return with_batches(buckets, row, config, slots);
  };
  const auto build = [&](const EncoderWeights& from, std::size_t slots, circuit::ProgramLimits limits,
                         bool score_matrices) {
    std::vector<circuit::Program> programs;
    for (const QueryShape& shape : shapes(slots)) {
      programs.push_back(row.build(from, shape, slots, limits, score_matrices));
      limits = limits.after(programs.back());
    }
    return programs;
  };
  const double range = config.thex->largest_decrypted(protocol);
  if (!(range > 0) || !std::isfinite(range))
    throw Error(ErrorCode::model,
                "config.json has no calibrated range (thex.max_relu_input, thex.max_logit): run `thex convert` again");
  // Planned without weights on both sides; the server's then take their place.
  const auto planner = [&](bool score_matrices) {
    return circuit::Planner(
        [&build, &config, score_matrices](std::size_t slots, const circuit::ProgramLimits& limits) {
          return build(EncoderWeights(config), slots, limits, score_matrices);
        },
        {.max_value = kRangeMargin * range,
         .min_log_scale = row.attempts.front().log_scale,
         .min_precision_bits = bits_besides_flood(kMinLogitBits, row.flood_deviation),
         .flood_deviation = row.flood_deviation});
  };
  circuit::Planner planners[] = {planner(false), planner(true)};  // by whether there may be matrices of scores
  std::exception_ptr imprecise;
  std::optional<Error> failed;
  bool score_matrices = false;
  for (const PlanAttempt& attempt : row.attempts) {
    if (score_matrices != attempt.score_matrices) planners[score_matrices].forget_programs();
    score_matrices = attempt.score_matrices;
    try {
      result.circuits = planners[score_matrices].plan(attempt.log_scale);
      break;
    } catch (const circuit::ImprecisePlan&) {
      imprecise = std::current_exception();
    } catch (const Error& e) {
      if (e.code() == ErrorCode::internal) throw;
      failed = e;
    }
  }
  if (!result.circuits.context && imprecise) std::rethrow_exception(imprecise);
  if (!result.circuits.context) refuse(*failed, protocol);
  result.shapes = shapes(result.circuits.context->slots());
  if (with_weights) result.circuits.programs = build(weights, result.circuits.context->slots(), {}, score_matrices);
  result.rounds = std::max(1, static_cast<int>(result.circuits.programs.front().steps.size()) - 1);
  result.ledger = make_ledger(config, result);
  result.fingerprint = fingerprint_of(result);
  return result;
}

}  // namespace

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

// Every member is named, so that a new one does not compile before somebody has decided whether the other side must
// know it. Rounds follow from the circuits.
std::string fingerprint_of(const InferencePlan& plan) {
  const auto& [protocol, shapes, circuits, rounds, ledger, fingerprint] = plan;
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

InferencePlan plan_inference(const model::ModelConfig& config, int max_tokens) {
  return plan(EncoderWeights(config), false, max_tokens);
}

InferencePlan plan_inference(std::shared_ptr<const model::Model> model, int max_tokens) {
  return plan(EncoderWeights(std::move(model)), true, max_tokens);
}

}  // namespace thex::encoder
