// A BERT encoder with the head of its task (classification or regression of [CLS], classification of every token) in
// libtorch, trainable at every stage of the THE-X workflow: each nonlinearity is chosen separately, so a plain BERT,
// the HE-friendly model and everything in between are one module.
//
// Parameters are leaf tensors held by name. The names are those of thex::model::Model; an affine norm that is trained
// beside (or instead of) the exact one has its own pair, "...AffineNorm.weight" and "...AffineNorm.bias", with
// "...AffineNorm.slope" of mean squares, until the model is exported. Only ATen's stable API is used (libtorch 1.13
// and 2.x).
#pragma once

#include <torch/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "thex/model/model.h"

namespace thex::convert {

using Parameters = std::map<std::string, torch::Tensor>;

// A LayerNorm during training. shadow: the exact LayerNorm's output goes on, the affine one is computed beside it
// from the same input, for distillation (THE-X, stage 5). mean_square: affine, of the input times 1 + slope * the mean
// of its squares (model::Norm::mean_square).
enum class NormMode { exact, shadow, affine, mean_square };

// What a student of the same shape is drawn to.
struct Wanted {
  std::vector<torch::Tensor> states;  // after every norm, [B, L, H] each
  torch::Tensor logits;               // as Output::logits
};

// Padded examples. B examples, L the longest of them.
struct Batch {
  torch::Tensor ids;     // [B, L] int64: positions in `unique`
  torch::Tensor unique;  // [U] int64: the distinct vocabulary ids of this batch
  torch::Tensor types;   // [B, L] int64
  torch::Tensor mask;    // [B, L] float: 1 at real tokens, 0 at padding
  torch::Tensor labels;  // [B] int64; -1: none
  torch::Tensor values;  // [B] float: targets of a regression; not a number: none
  torch::Tensor weight;  // [B] float: weight of each example in the loss
  torch::Tensor index;   // [B] int64: position in the data set
  // Token classification, the W words of all examples in order (undefined for other data):
  torch::Tensor first;        // [W] int64: where a word's first piece stands among the B*L tokens
  torch::Tensor tags;         // [W] int64; -1: none
  torch::Tensor word_weight;  // [W] float: the weight of the word's example
  torch::Tensor word_count;   // [B] int64: words of each example

  std::shared_ptr<const Wanted> wanted;  // where a teacher runs beside
};

// What a forward pass leaves behind for losses and calibration. Rows of padded tokens hold junk: use the masks.
struct LayerTrace {
  torch::Tensor u;              // [B, heads, Lq, L] s/2+1
  torch::Tensor cubes, sum;     // [B, heads, Lq, L] and [B, heads, Lq, 1]: ReLU(u)^3 and its sum (Softmax::estimation),
                                // u^2 and its mean (Softmax::power)
  torch::Tensor t1, t2;         // [B, heads, Lq, 16] pre-activations of T
  torch::Tensor probabilities;  // [B, heads, Lq, L]
  torch::Tensor query;          // [B, heads, Lq, d] Q
  torch::Tensor key, value;     // [B, heads, L, d] K and V
  torch::Tensor context;        // [B, Lq, H] P.V, heads side by side
  torch::Tensor ffn;            // [B, Lq, F] FFN pre-activation
  torch::Tensor norm_in[2];     // [B, Lq, H] inputs of the attention and the output norm
  torch::Tensor norm_out[2];    // [B, Lq, H] what goes on
  torch::Tensor norm_shadow[2];  // [B, Lq, H] the affine norm's value under NormMode::shadow
};

struct Output {
  torch::Tensor logits;     // [B, labels]; token classification: [W, labels], one row for each word's first piece
  torch::Tensor word_rows;  // [U, H] leaf: the word embeddings used, for the row-wise optimizer
  torch::Tensor embedded;   // [B, L, H] what the first layer gets
  std::vector<LayerTrace> layers;
};

struct ForwardOptions {
  bool train = false;          // dropout on, word rows require gradients
  bool word_gradients = true;  // false: not even in training
  bool cls_only_last = true;   // compute only the [CLS] query in the last layer (all that its logits need); token
                               // classification needs every row and always computes it
  double dropout = 0.0;        // after the embeddings, in training
  double word_dropout = 0.0;   // whole token embeddings set to zero before the embedding norm, in training
  // In training, what goes on after each norm (two a layer) in place of its output, which the trace has.
  std::function<torch::Tensor(const Batch& batch, std::size_t norm, const torch::Tensor& output)> guard = nullptr;
};

// Every query of the last layer too: what states are compared by.
inline ForwardOptions every_row() {
  ForwardOptions options;
  options.cls_only_last = false;
  return options;
}

class EncoderModule {
 public:
  // Random start: normal weights of deviation 0.6/sqrt(fan_in), zero biases, unit norms.
  EncoderModule(const model::ModelConfig& config, std::uint64_t seed, torch::Device device);
  // From a checkpoint, plain or HE-friendly. Throws Error(model) when a tensor is missing or has another shape.
  EncoderModule(const model::Model& model, torch::Device device);

  Output forward(const Batch& batch, const ForwardOptions& options) const;

  // The parts of forward(): what a layer's attention adds to its input, for the queries of `query_rows`, and norm
  // number `which` of two a layer, whose names begin with `name`.
  torch::Tensor attention(const std::string& layer, const torch::Tensor& x, const torch::Tensor& query_rows,
                          const torch::Tensor& mask, LayerTrace& trace) const;
  torch::Tensor norm(int which, const std::string& name, const torch::Tensor& x, LayerTrace& trace) const;

  // As a checkpoint; affine norms take the LayerNorm names. Throws Error(usage) for a mixture of norms that no model
  // has.
  model::Model to_model() const;
  // The classifier then sits on [CLS] itself.
  void remove_pooler();
  // A copy that shares nothing with this one.
  EncoderModule clone() const;

  model::ModelConfig config;  // norm and softmax kinds follow `norms` and `softmax` on export
  model::Softmax softmax = model::Softmax::exact;
  std::vector<NormMode> norms;  // two a layer: attention output, layer output
  Parameters params;
  torch::Device device;

 private:
  // What all norms together are on export.
  model::Norm exported_norm() const;
};

torch::Tensor activate(model::Activation activation, const torch::Tensor& x);

// "encoder.layer.N." and the names of its two norms, 0 after attention and 1 after the FFN, without
// ".LayerNorm.weight".
std::string layer_prefix(int layer);
std::string norm_prefix(int norm_index);

checkpoint::TensorMap to_tensor_map(const Parameters& params);
Parameters from_tensor_map(const checkpoint::TensorMap& tensors, torch::Device device);

}  // namespace thex::convert
