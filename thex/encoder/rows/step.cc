#include "thex/encoder/rows/step.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "thex/base/error.h"
#include "thex/encoder/rows/assumed_ranges.h"
#include "thex/model/model.h"

namespace thex::encoder {
namespace {

bool power_softmax(const model::ModelConfig& config) {
  return config.thex && config.thex->softmax == model::Softmax::power;
}

// Of plain vectors without values: one of the `half` diagonals of a matrix, zero in the second half of a row.
struct WeightSizes {
  double dense, query, key, value, attention_output, intermediate, output;
  double unit;  // of the estimation network

  // Those of the layer, where they are known; else each matrix counts as keeping magnitudes.
  WeightSizes(const model::ModelConfig& config, int layer) {
    const std::size_t half = std::bit_ceil(static_cast<std::size_t>(config.hidden));
    const std::size_t pieces = (static_cast<std::size_t>(config.ffn) + half - 1) / half;
    dense = value = intermediate = 1 / std::sqrt(2.0 * static_cast<double>(half));
    attention_output = kNormGain * dense;
    output = kNormGain * dense / std::sqrt(static_cast<double>(pieces));
    unit = 1 / std::sqrt(static_cast<double>(model::kEstimationWidth));
    // As EncoderWeights scales queries and keys.
    const double root = std::sqrt(static_cast<double>(config.head_dim()));
    query = dense * (power_softmax(config) ? std::sqrt(0.5 / root) : 0.5 / root);
    key = power_softmax(config) ? query : dense;
    const model::LayerWeights* const known = known_weights(config, layer);
    if (!known) return;
    // Half of a diagonal's slots are zero.
    query = known->query * M_SQRT1_2;
    key = known->key * M_SQRT1_2;
    value = known->value * M_SQRT1_2;
    attention_output = known->attention_output * M_SQRT1_2;
    intermediate = known->intermediate * M_SQRT1_2;
    output = known->output * M_SQRT1_2;
  }
};

}  // namespace

const char* name_of(Step step) {
  switch (step) {
    case Step::embeddings:
      return "embeddings";
    case Step::cls_token:
      return "cls_token";
    case Step::classifier:
      return "classifier";
    case Step::query:
      return "query";
    case Step::key:
      return "key";
    case Step::value:
    case Step::weighted_value:
      return "value";
    case Step::scores:
      return "scores";
    case Step::power:
      return "power";
    case Step::softmax:
      return "softmax";
    case Step::estimation_first:
      return "estimation.0";
    case Step::estimation_second:
      return "estimation.2";
    case Step::estimation_third:
      return "estimation.4";
    case Step::value_sum:
      return "value_sum";
    case Step::attention_output:
      return "attention_output";
    case Step::intermediate:
      return "intermediate";
    case Step::square:
      return "square";
    case Step::output:
      return "output";
    case Step::refresh:
      return "refresh";
    case Step::mean_square:
      return "mean_square";
    case Step::normalised:
      return "normalised";
  }
  throw Error(ErrorCode::internal, "a step of the encoder without a name");
}

circuit::Magnitudes magnitudes_of(const model::ModelConfig& config, Step step, int layer, double tokens) {
  const WeightSizes weights(config, layer);
  const bool power = power_softmax(config);
  const auto ranges = [&] { return assumed_ranges(config, layer, tokens); };
  const auto sum_after_attention = [&] {
    const model::LayerRanges r = ranges();
    return config.thex && config.thex->norm == model::Norm::mean_square ? r.attention_sum.rms : r.attention_norm.rms;
  };
  circuit::Magnitudes m{.weight = weights.dense};
  switch (step) {
    case Step::embeddings:
    case Step::cls_token:
      return m;
    case Step::value:
      m.weight = weights.value;
      return m;
    case Step::classifier:
      m.weight *= M_SQRT2;  // all slots that are read
      return m;
    case Step::query:
      m.weight = weights.query;
      return m;
    case Step::key:
      m.weight = weights.key;
      return m;
    case Step::weighted_value:
      m.limit = 1 / std::sqrt(tokens);  // values near 1 or 2 times 1/n in n of the rows, of at least four tokens
      return m;
    case Step::scores:
      m.fresh = ranges().cube.rms;
      m.limit = ranges().score.rms;
      return m;
    case Step::power:
      m.limit = ranges().cube.rms;
      return m;
    case Step::softmax:
      m.limit = ranges().cube_sum.rms;
      return m;
    case Step::estimation_first:  // T is near 1 / sum_j c_j
      m.weight = 1 / ranges().cube_sum.rms;
      return m;
    case Step::estimation_second:
      m.weight = weights.unit;
      return m;
    case Step::estimation_third:
      m.weight = weights.unit / ranges().cube_sum.rms;
      return m;
    case Step::value_sum:  // by an estimation: sums of coefficients times values, before and after the reciprocal
      m.limit = ranges().context.rms * (power ? 1 : std::max(1.0, ranges().cube_sum.rms));
      return m;
    case Step::attention_output:
      m.weight = weights.attention_output;
      m.limit = sum_after_attention();
      return m;
    case Step::intermediate:
      m.weight = weights.intermediate;
      m.fresh = ranges().ffn.rms * M_SQRT1_2;
      m.limit = ranges().ffn.rms;
      return m;
    case Step::square:
      m.limit = 2 * ranges().ffn.rms * ranges().ffn.rms;  // of a Gaussian: sqrt(3)
      return m;
    case Step::refresh:  // of a pair
      m.limit = M_SQRT2 * std::max(sum_after_attention(), ranges().output_norm.rms);
      return m;
    case Step::mean_square:  // summed up over the features
      m.limit = 2 * config.hidden * sum_after_attention() * sum_after_attention();
      return m;
    case Step::normalised:
      m.limit = std::max(1.0, sum_after_attention());
      return m;
    case Step::output:
      m.weight = weights.output;
      m.limit = ranges().output_norm.rms;
      return m;
  }
  throw Error(ErrorCode::internal, "a step of the encoder without magnitudes");
}

}  // namespace thex::encoder
