// THE-X's replacement of softmax (eq. 5): c_j = ReLU(x_j/2 + 1)^3, P_i = c_i * T(sum_j c_j), where T, a small ReLU
// network Linear(1,16)-ReLU-Linear(16,16)-ReLU-Linear(16,1), estimates the reciprocal.
//
// T starts from a closed form: 1/S is convex and falling, so a constant plus positive multiples of ReLU(k_i - S) with
// geometric knots k_i interpolates it without cancellation (every term is zero beyond its knot). The first layer holds
// the knots, the second passes them through. Adam then fits relative corrections of every entry to the true softmax.
#pragma once

#include <torch/types.h>

#include <map>
#include <string>

namespace thex::convert {

using Parameters = std::map<std::string, torch::Tensor>;

struct ReciprocalTrace {
  torch::Tensor pre1, pre2;  // [..., 16] inputs of the two ReLUs
  torch::Tensor value;       // [..., 1]
};

// T applied to sums [..., 1]; parameters "<prefix>{0,2,4}.{weight,bias}".
ReciprocalTrace reciprocal(const Parameters& params, const std::string& prefix, const torch::Tensor& sum);

struct EstimationOptions {
  double min_sum = 1.5;    // smallest sum of cubes that T must serve (short sentences)
  double max_sum = 2000;   // largest
  int min_length = 3;      // scores are drawn for lengths from this ...
  int max_length = 128;    // ... to this, log-uniform
  double score_limit = 3;  // scores are uniform in [-limit, limit], each row with its own spread
  double max_pre = 50;     // bound of |pre-activations| at max_sum
  int steps = 1500;
  double learning_rate = 1e-2;
  std::uint64_t seed = 1;
};

struct EstimationReport {
  double mse_true_softmax = 0;      // P against softmax, inputs uniform in [-limit, limit], length 128
  double mse_exact_reciprocal = 0;  // the same with 1/S in place of T: what the cube alone costs
  double mse_reciprocal_part = 0;   // P with T against P with 1/S
  double worst_relative = 0;        // largest |T(S)*S - 1| on [min_sum, max_sum]
  double max_pre = 0;               // largest |pre-activation| on [0, max_sum]
};

// The six tensors "{0,2,4}.{weight,bias}" of a fitted T, and how well it does. Deterministic in the seed.
std::pair<Parameters, EstimationReport> fit_estimation(const EstimationOptions& options);

}  // namespace thex::convert
