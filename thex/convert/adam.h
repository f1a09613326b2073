// AdamW (decoupled weight decay) over named leaf tensors, with global gradient clipping, its row-wise ("lazy") form for
// embedding tables, which touches only the rows a batch used, and its form for matrices whose inputs are known. Source:
// Kingma & Ba 2015; Loshchilov & Hutter 2019; Desjardins et al. 2015, "Natural neural networks".
#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <utility>

namespace thex::convert {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.01;  // matrices only: biases and norms (one-dimensional) never decay
  double clip = 1.0;           // largest global gradient norm; 0: no clipping
};

// The moments by parameter name, "table" for the embedding table, and the number of steps made.
struct AdamState {
  std::map<std::string, torch::Tensor> m, v;
  long steps = 0;

  AdamState clone() const;
};

// What goes into a matrix.
struct InputStatistics {
  torch::Tensor mean;  // [I]
  torch::Tensor
      inverse_root;  // of the covariance, relative to its mean diagonal: [I, I], or of its diagonal alone: [I]
};
using InputStatisticsOf = std::map<std::string, InputStatistics>;  // by "....dense" of "....dense.weight" and ".bias"

class Adam {
 public:
  // Matrices of `inputs` and their biases step as if their inputs were white: along directions in which inputs hardly
  // vary as far, in what comes out, as along those in which they all lie. A matrix that was found by least squares does
  // not lose then in the first steps what the small directions told it.
  explicit Adam(AdamOptions options, InputStatisticsOf inputs = {}) : options_(options), inputs_(std::move(inputs)) {}

  // One step for every tensor of `params` that has a gradient; clears the gradients. `table`, when not empty, is an
  // embedding table and `row_gradient` the gradient of its rows `row_ids`, each once, which takes part in the clipping.
  // Returns false, and changes no parameter, where a gradient is not finite.
  bool step(std::map<std::string, torch::Tensor>& params, double rate, torch::Tensor table = {},
            torch::Tensor row_gradient = {}, torch::Tensor row_ids = {}, double table_rate = 0);

  // The moments are shared, not copied, by both.
  AdamState state() const;
  void restore(const AdamState& state);

 private:
  struct State {
    torch::Tensor m, v;
  };
  void whiten_gradients(std::map<std::string, torch::Tensor>& params) const;
  torch::Tensor direction(State& state, const torch::Tensor& gradient, double factor) const;
  void step_parameters(std::map<std::string, torch::Tensor>& params, double rate, double factor);

  AdamOptions options_;
  InputStatisticsOf inputs_;
  std::map<std::string, State> state_;
  State table_state_;
  long steps_ = 0;
};

}  // namespace thex::convert
