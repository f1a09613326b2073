// Magnitudes of an HE-friendly model's intermediate values over a data set: what the client decrypts (the inputs of
// every ReLU) decides the integer bits of the lowest modulus, the rest the scale of the other levels.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "thex/convert/data.h"
#include "thex/convert/encoder_module.h"
#include "thex/convert/score.h"

namespace thex::convert {

// How large the numbers at one point are: the root mean square, the largest absolute value, and the absolute values
// that half, 99 % and 99.9 % of them stay below (to about 4 %).
struct Magnitude {
  double rms = 0, max = 0, p50 = 0, p99 = 0, p999 = 0;
};

struct LayerMagnitudes {
  Magnitude score;           // u = s/2+1
  Magnitude cube, cube_sum;  // c = ReLU(u)^3 and its sums, the inputs of T
  Magnitude t1, t2;          // pre-activations of T
  Magnitude context;         // P.V
  Magnitude attention_sum;   // input of the norm after attention
  Magnitude attention_norm;  // its output
  Magnitude ffn;             // FFN pre-activations
  Magnitude output_sum;      // input of the norm after the FFN
  Magnitude output_norm;     // its output
};

struct Ranges {
  double u = 0;           // |s/2+1|
  double t1 = 0, t2 = 0;  // |pre-activations of T|
  double ffn = 0;         // |FFN pre-activations|
  double logit = 0;
  double cube = 0, sum = 0;  // the largest c = ReLU(u)^3 and sum of them
  double min_sum = 0;        // the smallest sum (0: some query attends to nothing)
  double context = 0;        // |P.V|
  double hidden = 0;         // |any norm's input or output|
  double max_relu_input() const;

  std::vector<LayerMagnitudes> layers;
  // For config.json.
  std::vector<model::LayerRanges> layer_ranges() const;
};

// The points that a layer with this softmax has, with their names, for reports.
std::vector<std::pair<std::string, Magnitude>> named(const LayerMagnitudes& layer, model::Softmax softmax);

// Real tokens only, every query row that the outputs depend on.
Ranges measure_ranges(const EncoderModule& module, const DataSet& data, const Log& log = nullptr);

// How far values go beyond those that were calibrated: the largest ratio of two largest absolute values, over the
// inputs of nonlinearities and the logits.
struct Excess {
  double ratio = 0;
  std::string where;  // "layer 1, ffn", "logits"
};
Excess largest_excess(const Ranges& calibrated, const Ranges& other);

// `count` sentences joined from random ones of `data`, without their inner [CLS] and [SEP], each up to `max_length`
// tokens: longer than anything in the data, to see that nothing overflows there. The label is the first sentence's.
DataSet join_to_length(const DataSet& data, std::size_t count, std::size_t max_length, std::uint64_t seed);

// Quantiles q of the sums of cubes over real query rows (for the range that T must serve).
std::vector<double> sum_quantiles(const EncoderModule& module, const DataSet& data, const std::vector<double>& q);

// Per-feature least squares of each exact LayerNorm by an affine map, y = gamma' * x + beta', over `data`: the minimum
// of the distillation loss of THE-X's stage 5, in closed form. `norms`: indices, two a layer; only rows that the logits
// depend on count. Writes "...AffineNorm.*" of the module.
void fit_affine_norms(EncoderModule& module, const DataSet& data, const std::vector<int>& norms);

// The classifier becomes the ridge regression of `wanted`'s outputs, over `data`, on the states that it reads in
// `module`; states that are no numbers or far from the others do not count.
void fit_head(EncoderModule& module, const EncoderModule& wanted, const DataSet& data);

// Takes the pooler away: the classifier becomes the ridge regression of the logits on the [CLS] rows over `data`, so
// that fine-tuning starts from nearly the same outputs. Throws Error(usage) for a model without a pooler.
void drop_pooler(EncoderModule& module, const DataSet& data);

}  // namespace thex::convert
