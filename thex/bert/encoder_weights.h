// The encoder's weights as matrix entries for the circuit, with everything folded in that costs nothing there: the
// score factor 1/(2 sqrt(d)) into the query, gamma' into the matrix before it, the last feed-forward matrix into the
// classifier.
//
// Without a model (client, planner) every function is empty: the circuit has the same shape, and no values.
#pragma once

#include <memory>

#include "thex/bert/model.h"
#include "thex/circuit/matrix.h"

namespace thex::bert {

class EncoderWeights {
 public:
  explicit EncoderWeights(const ModelConfig& config) : config_(config) {}
  explicit EncoderWeights(std::shared_ptr<const Model> model) : config_(model->config), model_(std::move(model)) {}

  const ModelConfig& config() const { return config_; }

  // Matrices: (output, input) entry, zero outside their shape. Vectors: component p, zero beyond their length.
  circuit::Entries query(int layer) const;  // times 1/(2 sqrt(d)): the product with a key is x/2
  circuit::Components query_bias(int layer) const;
  circuit::Entries key(int layer) const;
  circuit::Components key_bias(int layer) const;
  circuit::Entries value(int layer) const;
  circuit::Components value_bias(int layer) const;

  // The reciprocal network T: weight and bias of its linear layer 0, 2 or 4.
  circuit::Entries estimation(int layer, int index) const;
  circuit::Components estimation_bias(int layer, int index) const;

  // X1 = gamma1 (X + Wo a + bo) + beta1
  circuit::Entries attention_output(int layer) const;       // gamma1 Wo
  circuit::Components attention_residual(int layer) const;  // gamma1
  circuit::Components attention_constant(int layer) const;  // gamma1 bo + beta1
  circuit::Entries intermediate(int layer) const;           // W1
  circuit::Components intermediate_bias(int layer) const;   // b1
  // X' = gamma2 (X1 + W2 h + b2) + beta2
  circuit::Entries output(int layer) const;
  circuit::Components output_residual(int layer) const;
  circuit::Components output_constant(int layer) const;
  // logits = C h + D X1 + e after the last layer
  circuit::Entries logits_of_intermediate() const;  // Wc gamma2 W2
  circuit::Entries logits_of_residual() const;      // Wc gamma2
  circuit::Components logits_constant() const;      // Wc (gamma2 b2 + beta2) + bc

 private:
  const Tensor& tensor(const std::string& name) const;
  std::string layer_name(int layer, const char* rest) const;
  circuit::Entries matrix(const std::string& name, double factor = 1.0) const;
  circuit::Components vector(const std::string& name, double factor = 1.0) const;
  circuit::Entries normed(const std::string& norm, const std::string& dense) const;
  circuit::Components normed_constant(const std::string& norm, const std::string& dense) const;

  ModelConfig config_;
  std::shared_ptr<const Model> model_;
};

}  // namespace thex::bert
