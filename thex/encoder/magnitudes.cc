#include "thex/encoder/magnitudes.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "thex/base/error.h"
#include "thex/encoder/rows/assumed_ranges.h"
#include "thex/model/model.h"

namespace thex::encoder {
namespace {

// "layer3.scores" is step "scores" of layer 3; other labels belong to no layer.
struct Step {
  int layer = -1;
  std::string_view name;
};

Step step_of(std::string_view label) {
  constexpr std::string_view kPrefix = "layer";
  if (!label.starts_with(kPrefix)) return {};
  const char* const begin = label.data() + kPrefix.size();
  const char* const end = label.data() + label.size();
  int layer = -1;
  const auto [rest, error] = std::from_chars(begin, end, layer);
  if (error != std::errc{} || rest == end || *rest != '.') return {};
  return {layer, std::string_view(rest + 1, static_cast<std::size_t>(end - rest - 1))};
}

// Of one sentence.
double tokens_of(const circuit::Program& program, const model::ModelConfig& config) {
  const int sentences = program.result_slots.back().sentence + 1;
  return static_cast<double>(program.steps[0].values) / config.hidden / sentences;
}

// The largest root mean square that the values of a step have.
double limit(const model::LayerRanges& ranges, bool polynomial, std::string_view step) {
  if (step == "scores") return ranges.score.rms;
  if (step == "power") return ranges.cube.rms;
  if (step == "square") return 2 * ranges.ffn.rms * ranges.ffn.rms;  // of a Gaussian: sqrt(3)
  if (step == "value_sum" && polynomial) return ranges.context.rms;
  if (step == "softmax") return ranges.cube_sum.rms;
  // Sums of coefficients times values, before and after the reciprocal.
  if (step == "value_sum") return ranges.context.rms * std::max(1.0, ranges.cube_sum.rms);
  if (step == "attention_output") return ranges.attention_norm.rms;
  if (step == "intermediate") return ranges.ffn.rms;
  if (step == "output") return ranges.output_norm.rms;
  return std::numeric_limits<double>::infinity();
}

}  // namespace

circuit::AssumedMagnitudes assumed_magnitudes(const model::ModelConfig& config) {
  // One of the `half` diagonals of a matrix, zero in the second half of a row.
  const std::size_t half = std::bit_ceil(static_cast<std::size_t>(config.hidden));
  const std::size_t pieces = (static_cast<std::size_t>(config.ffn) + half - 1) / half;
  const double weight = 1 / std::sqrt(2.0 * static_cast<double>(half));
  const double output_weight = kNormGain * weight / std::sqrt(static_cast<double>(pieces));
  const double unit = 1 / std::sqrt(static_cast<double>(model::kEstimationWidth));
  const bool polynomial = row_of(*config.protocol()).polynomial();
  // As EncoderWeights scales queries and keys.
  const double root = std::sqrt(static_cast<double>(config.head_dim()));
  const double query_factor = polynomial ? std::sqrt(0.5 / root) : 0.5 / root;
  const auto ranges = [config](const circuit::Program& program, int layer) {
    return assumed_ranges(config, layer, tokens_of(program, config));
  };
  circuit::AssumedMagnitudes assumed{.fresh = 1, .weight = weight};
  assumed.weight_of = [=](const circuit::Program& program, const circuit::Node& node) {
    const Step step = step_of(node.label);
    if (node.label == "classifier") return weight * M_SQRT2;  // all slots that are read
    if (step.name == "query" || (polynomial && step.name == "key")) return weight * query_factor;
    if (step.name == "attention_output") return weight * kNormGain;
    if (step.name == "output") return output_weight;
    if (!step.name.starts_with("estimation.")) return weight;
    // T is near 1 / sum_j c_j.
    const double sum = ranges(program, step.layer).cube_sum.rms;
    if (step.name.ends_with(".0")) return 1 / sum;
    return step.name.ends_with(".4") ? unit / sum : unit;
  };
  assumed.fresh_of = [=](const circuit::Program& program, const circuit::Node& node) {
    const Step step = step_of(node.label);
    if (step.name == "scores") return ranges(program, step.layer).cube.rms;
    if (step.name == "intermediate") return ranges(program, step.layer).ffn.rms * M_SQRT1_2;
    return 1.0;
  };
  assumed.at_most = [=](const circuit::Program& program, const circuit::Node& node) {
    const Step step = step_of(node.label);
    if (step.layer < 0 || node.op == circuit::Op::fresh) return std::numeric_limits<double>::infinity();
    // Values near 1 or 2 times 1/n in n of the rows, of at least four tokens.
    if (polynomial && step.name == "value" && node.op == circuit::Op::product_sum)
      return 1 / std::sqrt(tokens_of(program, config));
    return limit(ranges(program, step.layer), polynomial, step.name);
  };
  return assumed;
}

}  // namespace thex::encoder
