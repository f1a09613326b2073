// The encoder's weights as matrix entries for the circuit, with everything folded in that costs nothing there: the
// factor of the scores into the query, gamma' into the matrix before it, the last feed-forward matrix into the
// classifier.
//
// Without a model (client, planner) every function is empty: the circuit has the same shape, and no values.
#pragma once

#include <memory>

#include "thex/circuit/library/matrix.h"
#include "thex/model/model.h"

namespace thex::encoder {

class EncoderWeights {
 public:
  explicit EncoderWeights(const model::ModelConfig& config) : config_(config) {}
  explicit EncoderWeights(std::shared_ptr<const model::Model> model)
      : config_(model->config), model_(std::move(model)) {}

  const model::ModelConfig& config() const { return config_; }

  // Matrices: (output, input) entry, zero outside their shape. Vectors: component p, zero beyond their length.
  circuit::Entries query(int layer) const;  // scaled, like the keys, so that their product is x/2; of a power, x/4
  circuit::Components query_bias(int layer) const;
  circuit::Entries key(int layer) const;
  circuit::Components key_bias(int layer) const;
  circuit::Entries value(int layer) const;
  circuit::Components value_bias(int layer) const;

  // Root mean squares of a layer's matrices and vectors as they are here. Needs a model.
  model::LayerWeights sizes(int layer) const;

  // The reciprocal network T: weight and bias of its linear layer 0, 2 or 4.
  circuit::Entries estimation(int layer, int index) const;
  circuit::Components estimation_bias(int layer, int index) const;

  // X1 = gamma1 (X + Wo a + bo) + beta1; by Norm::mean_square it is X + Wo a + bo, then times 1 + slope m (norm_slope),
  // and gamma1 and beta1 are in what follows.
  circuit::Entries attention_output(int layer) const;       // gamma1 Wo
  circuit::Components attention_residual(int layer) const;  // gamma1
  circuit::Components attention_constant(int layer) const;  // gamma1 bo + beta1
  double norm_slope(int layer) const;                       // 0 without a model
  circuit::Entries intermediate(int layer) const;           // W1
  circuit::Components intermediate_bias(int layer) const;   // b1
  // X' = gamma2 (X1 + W2 h + b2) + beta2
  circuit::Entries output(int layer) const;
  circuit::Components output_residual(int layer) const;
  circuit::Components output_constant(int layer) const;
  // The same steps without a level between them. W1 X1 + b1 = A X + B a + c:
  circuit::Entries intermediate_of_input(int layer) const;      // A = W1 gamma1
  circuit::Entries intermediate_of_attention(int layer) const;  // B = W1 gamma1 Wo
  circuit::Components intermediate_constant(int layer) const;   // c = W1 (gamma1 bo + beta1) + b1
  // The query of X', from the hidden units h of layer - 1 and its X1:
  circuit::Entries query_of_intermediate(int layer) const;  // Wq gamma2 W2
  circuit::Entries query_of_residual(int layer) const;      // Wq gamma2
  circuit::Components query_constant(int layer) const;      // Wq (gamma2 b2 + beta2) + bq
  // logits = C h + D X1 + e after the last layer
  circuit::Entries logits_of_intermediate() const;  // Wc gamma2 W2
  circuit::Entries logits_of_residual() const;      // Wc gamma2
  circuit::Components logits_constant() const;      // Wc (gamma2 b2 + beta2) + bc

 private:
  bool scales_after_attention() const { return config_.thex && config_.thex->norm == model::Norm::mean_square; }
  const checkpoint::Tensor& tensor(const std::string& name) const;
  std::string layer_name(int layer, const char* rest) const;
  circuit::Entries matrix(const std::string& name, double factor = 1.0) const;
  circuit::Components vector(const std::string& name, double factor = 1.0) const;
  circuit::Entries normed(const std::string& norm, const std::string& dense) const;
  circuit::Components normed_constant(const std::string& norm, const std::string& dense) const;
  double query_factor() const;
  double key_factor() const;

  model::ModelConfig config_;
  std::shared_ptr<const model::Model> model_;
};

}  // namespace thex::encoder
