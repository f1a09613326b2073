// AdamW (decoupled weight decay) over named leaf tensors, with global gradient clipping, and its row-wise ("lazy") form
// for embedding tables, which touches only the rows a batch used. Source: Kingma & Ba 2015; Loshchilov & Hutter 2019.
#pragma once

#include <torch/types.h>

#include <map>
#include <string>

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
};

class Adam {
 public:
  explicit Adam(AdamOptions options) : options_(options) {}

  // One step for every tensor of `params` that has a gradient; clears the gradients. `table`, when not empty, is an
  // embedding table and `row_gradient` the gradient of its rows `row_ids`, each once, which takes part in the clipping.
  void step(std::map<std::string, torch::Tensor>& params, double rate, torch::Tensor table = {},
            torch::Tensor row_gradient = {}, torch::Tensor row_ids = {}, double table_rate = 0);

  // The moments are shared, not copied.
  AdamState state() const;
  void restore(const AdamState& state);

 private:
  struct State {
    torch::Tensor m, v;
  };
  AdamOptions options_;
  std::map<std::string, State> state_;
  State table_state_;
  long steps_ = 0;
};

}  // namespace thex::convert
