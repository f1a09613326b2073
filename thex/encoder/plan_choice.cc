#include "thex/encoder/plan_choice.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/circuit/planner.h"
#include "thex/encoder/protocol_table.h"

namespace thex::encoder {
namespace {

// The logits must keep this many bits behind the binary point: an error of 0.004 decides nothing that is not close.
constexpr double kMinLogitBits = 8;

// The bits that the computation must keep for an answer to keep so many with a flood of that deviation.
double bits_besides_flood(double bits, double deviation) {
  return -0.5 * std::log2(std::exp2(-2 * bits) - deviation * deviation);
}

std::vector<QueryShape> buckets_of(const model::ModelConfig& config, int max_tokens) {
  std::vector<QueryShape> shapes;
  for (const int bucket : kBuckets)
    if (bucket <= config.max_positions && (shapes.empty() || shapes.back().tokens < max_tokens))
      shapes.push_back({bucket});
  if (shapes.empty() || max_tokens < 1)
    throw Error(ErrorCode::model, "max_position_embeddings " + std::to_string(config.max_positions) +
                                      " and max tokens " + std::to_string(max_tokens) +
                                      " leave no length bucket; the smallest is " + std::to_string(kBuckets[0]));
  return shapes;
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

std::vector<circuit::Program> build(const EncoderProtocol& row, const EncoderWeights& weights,
                                    const std::vector<QueryShape>& shapes, std::size_t slots,
                                    circuit::ProgramLimits limits, const Variant& variant) {
  std::vector<circuit::Program> programs;
  for (const QueryShape& shape : shapes) {
    programs.push_back(row.build(weights, shape, slots, limits, variant));
    limits = limits.after(programs.back());
  }
  return programs;
}

// One way to evaluate a model: the first of its protocol's attempts that fits and is precise enough.
class Way {
 public:
  Way(model::ModelConfig config, const EncoderProtocol& row, const Segments& segments, std::vector<QueryShape> buckets,
      bool batches)
      : config_(std::move(config)), row_(row), segments_(segments), buckets_(std::move(buckets)), batches_(batches) {}

  // In the rings of so many coefficients. Throws what the last attempt threw, or the loss of precision where that was
  // the trouble.
  PlanChoice plan(int min_log_n, int max_log_n) const {
    // By whether there may be matrices of scores.
    circuit::Planner planners[] = {planner(false, min_log_n, max_log_n), planner(true, min_log_n, max_log_n)};
    const double wanted_bits = batches_ ? bits_besides_flood(kMinLogitBits, row_.flood_deviation) : 0;
    std::exception_ptr imprecise, failed;
    bool score_matrices = false;
    for (const PlanAttempt& attempt : row_.attempts) {
      if (score_matrices != attempt.score_matrices) planners[score_matrices].forget_programs();
      score_matrices = attempt.score_matrices;
      try {
        PlanChoice choice{.protocol = row_.protocol,
                          .variant = {segments_, score_matrices},
                          .shapes = {},
                          .circuits = planners[score_matrices].plan(attempt.log_scale, wanted_bits),
                          .prices = {}};
        choice.shapes = shapes(choice.circuits.context->slots());
        return choice;
      } catch (const circuit::ImprecisePlan&) {
        imprecise = std::current_exception();
      } catch (const Error& e) {
        if (e.code() == ErrorCode::internal) throw;
        failed = std::current_exception();
      }
    }
    std::rethrow_exception(imprecise ? imprecise : failed);
  }

 private:
  std::vector<QueryShape> shapes(std::size_t slots) const {
    return batches_ ? with_batches(buckets_, row_, config_, slots) : buckets_;
  }

  circuit::Planner planner(bool score_matrices, int min_log_n, int max_log_n) const {
    return {[this, score_matrices](std::size_t slots, const circuit::ProgramLimits& limits) {
              return build(row_, EncoderWeights(config_), shapes(slots), slots, limits, {segments_, score_matrices});
            },
            {.max_value = kRangeMargin * config_.thex->largest_decrypted(row_.protocol),
             .min_log_n = min_log_n,
             .max_log_n = max_log_n,
             .min_log_scale = row_.attempts.front().log_scale,
             .flood_deviation = row_.flood_deviation,
             .statistical_bits = row_.statistical_bits}};
  }

  const model::ModelConfig config_;
  const EncoderProtocol& row_;
  const Segments segments_;
  const std::vector<QueryShape> buckets_;
  const bool batches_;
};

constexpr int kMinLogN = 12, kMaxLogN = 16;

// What a query of each length takes on average, by the cost model on one thread.
PlanPrice price(const PlanChoice& choice, std::size_t buckets, const Network& network) {
  PlanPrice price{.protocol = choice.protocol, .segments = choice.variant.segments};
  price.log_n = choice.circuits.spec.log_n;
  price.rounds = rounds_of(choice.protocol, choice.circuits.programs.front());
  for (std::size_t i = 0; i < buckets; ++i) {
    const circuit::ProgramPlan& plan = choice.circuits.program_plans[i];
    price.server_seconds += plan.estimated_seconds / static_cast<double>(buckets);
    price.bytes += static_cast<double>(plan.bytes_to_server + plan.bytes_to_client) / static_cast<double>(buckets);
  }
  price.key_bytes = choice.circuits.key_bytes_wire;
  price.seconds =
      price.server_seconds + price.rounds * network.round_trip_seconds + price.bytes / network.bytes_per_second;
  return price;
}

// The same of `layers` layers, `more` segments longer than `longer`, which is one longer than `shorter`.
PlanPrice extrapolated(const PlanPrice& shorter, const PlanPrice& longer, double more) {
  const auto at = [&](double a, double b) { return b + more * (b - a); };
  PlanPrice price = longer;
  price.rounds = static_cast<int>(std::lround(at(shorter.rounds, longer.rounds)));
  price.seconds = at(shorter.seconds, longer.seconds);
  price.server_seconds = at(shorter.server_seconds, longer.server_seconds);
  price.bytes = at(shorter.bytes, longer.bytes);
  return price;
}

// A way with its price: of a deep model whose depth does not count, that of one with fewer layers of the same kind
// extrapolated, in the ring that is best for it.
struct Candidate {
  const EncoderProtocol* row = nullptr;
  Segments segments;
  PlanPrice price;
  std::optional<PlanChoice> plan;  // where it was made for the price
};

Candidate candidate(const model::ModelConfig& config, const EncoderProtocol& row, const Segments& segments,
                    const std::vector<QueryShape>& buckets, const Network& network) {
  Candidate result{.row = &row, .segments = segments};
  const int each = segments.layers, longer = 2 * each + 1, shorter = each + 1;
  if (each == 0 || config.layers <= longer + 1) {
    result.plan = Way(config, row, segments, buckets, true).plan(kMinLogN, kMaxLogN);
    result.price = price(*result.plan, buckets.size(), network);
    return result;
  }
  const auto with_layers = [&](int layers, int min_log_n, int max_log_n) {
    model::ModelConfig fewer = config;
    fewer.layers = layers;
    return price(Way(fewer, row, segments, buckets, false).plan(min_log_n, max_log_n), buckets.size(), network);
  };
  const PlanPrice two = with_layers(longer, kMinLogN, kMaxLogN), one = with_layers(shorter, two.log_n, two.log_n);
  result.price = extrapolated(one, two, static_cast<double>(config.layers - longer) / each);
  return result;
}

std::string names_of(const std::vector<model::Protocol>& protocols) {
  std::string names;
  for (const model::Protocol p : protocols) names += (names.empty() ? "" : ", ") + std::string(model::name_of(p));
  return names;
}

// Protocols that take models of any depth, as options that were not tried.
std::string others(const std::vector<model::Protocol>& tried, const std::vector<model::Protocol>& possible,
                   const char* reason) {
  std::string options;
  for (const model::Protocol other : possible)
    if (std::ranges::find(tried, other) == tried.end() && row_of(other).any_depth)
      options += std::string(", or --protocol ") + name_of(other) + ", " + reason;
  return options;
}

// The same errors with what their user can do about them.
[[noreturn]] void refuse(const Error& error, const std::vector<model::Protocol>& tried,
                         const std::vector<model::Protocol>& possible) {
  throw Error(error.code(), error.what() +
                                std::string("; fewer layers, a narrower model or a smaller --max-tokens may fit") +
                                others(tried, possible, "whose depth does not grow with the layers"));
}
[[noreturn]] void refuse(const circuit::UnmaskableValues& error, const std::vector<model::Protocol>& tried,
                         const std::vector<model::Protocol>& possible) {
  throw Error(error.code(), std::string(error.what()) +
                                "; masks are wider than the largest values that were calibrated: `thex calibrate` "
                                "measures those anew, `thex convert` with more --final-steps or more --texts may make "
                                "a model of smaller ones" +
                                others(tried, possible, "which has no masks"));
}
[[noreturn]] void refuse(const circuit::ImprecisePlan& error, const model::ModelConfig& config,
                         const std::vector<model::Protocol>& tried, const std::vector<model::Protocol>& possible) {
  const std::vector<model::LayerRanges>& layers = config.thex->layers;
  const bool measured = !layers.empty() && std::ranges::all_of(layers, [](const model::LayerRanges& l) {
    return l.sensitivity && l.weights;
  });
  std::string advice = "; it is predicted from sizes that are assumed: `thex calibrate` measures the model's";
  if (measured && config.thex->norm == model::Norm::mean_square)
    advice = "; `thex convert` with more --final-steps or more --texts may make a model of smaller values";
  else if (measured)
    advice = "; `thex convert` with a smaller --score-limit or --ffn-limit makes a model of smaller values";
  throw circuit::ImprecisePlan(error.what() + advice + others(tried, possible, "which keeps more bits"));
}

void check_config(const model::ModelConfig& config, const std::vector<model::Protocol>& possible,
                  const PlanRequest& request) {
  if (possible.empty())
    throw Error(
        ErrorCode::model,
        "the model is not HE-friendly yet (activation, softmax or LayerNorm is exact): run `thex convert` on it first");
  if (request.protocol && std::ranges::find(possible, *request.protocol) == possible.end())
    throw Error(ErrorCode::model, std::string("the model was not converted for the protocol ") +
                                      name_of(*request.protocol) + "; its own: " + names_of(possible));
  const double range = config.thex->largest_decrypted(possible.front());
  if (!(range > 0) || !std::isfinite(range))
    throw Error(ErrorCode::model,
                "config.json has no calibrated range (thex.max_relu_input, thex.max_logit): run `thex convert` again");
}

}  // namespace

PlanChoice choose_plan(const model::ModelConfig& config, const PlanRequest& request) {
  const std::vector<model::Protocol> possible = config.protocols();
  check_config(config, possible, request);
  const std::vector<model::Protocol> tried = request.protocol ? std::vector{*request.protocol} : possible;
  const std::vector<QueryShape> buckets =
      buckets_of(config, request.max_tokens > 0 ? request.max_tokens : config.thex->max_tokens);
  std::vector<Candidate> candidates;
  std::vector<PlanPrice> prices;
  std::exception_ptr failed;
  int nearest = -1;
  const auto refused = [&](model::Protocol protocol, const Segments& segments, const Error& e) {
    if (e.code() == ErrorCode::internal) throw;
    prices.push_back({.protocol = protocol, .segments = segments, .refusal = e.what()});
    // What came nearest to a plan is told.
    const int near = dynamic_cast<const circuit::ImprecisePlan*>(&e)      ? 2
                     : dynamic_cast<const circuit::UnmaskableValues*>(&e) ? 1
                                                                          : 0;
    if (near < nearest) return;
    failed = std::current_exception();
    nearest = near;
  };
  for (const model::Protocol protocol : tried) {
    const EncoderProtocol& row = encoder_row(protocol);
    for (const Segments& segments : row.segments(config.layers)) {
      try {
        candidates.push_back(candidate(config, row, segments, buckets, request.network));
      } catch (const Error& e) {
        refused(protocol, segments, e);
      }
    }
  }
  std::ranges::stable_sort(candidates, {}, [](const Candidate& c) { return c.price.seconds; });
  for (auto at = candidates.begin(); at != candidates.end(); ++at) {
    Candidate& c = *at;
    try {
      if (!c.plan) c.plan = Way(config, *c.row, c.segments, buckets, true).plan(c.price.log_n, c.price.log_n);
    } catch (const Error& e) {
      refused(c.row->protocol, c.segments, e);
      continue;
    }
    PlanChoice choice = std::move(*c.plan);
    c.price = price(choice, buckets.size(), request.network);
    for (; at != candidates.end(); ++at) prices.push_back(at->price);  // those before are there as refused
    choice.prices = std::move(prices);
    return choice;
  }
  try {
    std::rethrow_exception(failed);
  } catch (const circuit::ImprecisePlan& e) {
    refuse(e, config, tried, possible);
  } catch (const circuit::UnmaskableValues& e) {
    refuse(e, tried, possible);
  } catch (const Error& e) {
    refuse(e, tried, possible);
  }
}

std::vector<circuit::Program> build_circuits(const PlanChoice& choice, const EncoderWeights& weights) {
  return build(encoder_row(choice.protocol), weights, choice.shapes, choice.circuits.context->slots(), {},
               choice.variant);
}

}  // namespace thex::encoder
