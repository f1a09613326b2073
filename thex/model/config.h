// The model configuration: Hugging Face's config.json for BERT or DistilBERT, plus a "thex" section that names each
// HE-friendly replacement. A folder without that section is a plain BERT. DistilBERT is a BERT without token types
// whose pooler ends in a ReLU; it is written as such, under BERT's field names.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "thex/model/heads.h"
#include "thex/model/protocol.h"

namespace thex::model {

// Root mean square and largest absolute value of the numbers at one point of a layer, over the tokens of the
// calibration set; of polynomial models, at points that masks hide, no less than those of padding. In config.json:
// {"rms": .., "max": ..}; rms <= max.
struct Range {
  double rms = 0, max = 0;
  void widen(const Range& other) {
    rms = std::max(rms, other.rms);
    max = std::max(max, other.max);
  }
};

// Root mean squares of a layer's weights as the encrypted encoder multiplies by them (encoder/rows/weights.h). Keys in
// config.json as here.
struct LayerWeights {
  double query = 0, key = 0, value = 0;
  double attention_output = 0, attention_residual = 0;  // of the sum after attention: its matrix, and x
  double intermediate = 0;
  double output = 0, output_residual = 0;
};

// How large the change of an output is, root mean square over outputs and texts, for independent errors of deviation 1
// in all values at a point of a layer. Keys in config.json as here.
struct LayerSensitivity {
  double input = 0;          // what the layer is given
  double context = 0;        // P V, before the output projection; 0: not measured
  double attention_sum = 0;  // input of the norm after attention
};

// What one encoder layer computes, in size: what noise and levels are planned with. Keys in config.json as here.
struct LayerRanges {
  Range score;           // u = q.k / (2 sqrt(d)) + 1, the ReLU's inputs; likewise with Softmax::power
  Range cube;            // c = ReLU(u)^3; with Softmax::power u^2
  Range cube_sum;        // sum_j c_j, the inputs of T; with Softmax::power the mean
  Range context;         // P V, before the output projection
  Range attention_sum;   // input of the norm after attention; with Norm::mean_square alone
  Range attention_norm;  // output of the norm after attention
  Range ffn;             // FFN pre-activations
  Range output_norm;     // output of the norm after the FFN
  std::optional<LayerWeights> weights;
  std::optional<LayerSensitivity> sensitivity;
};

// What the workflow replaced and what it measured on the way; stored in config.json under "thex" with the keys
// "version", "softmax" ("exact" | "estimation" | "power"), "layer_norm" ("exact" | "affine" | "mean_square"),
// "pooler" (bool), "max_relu_input", "max_logit", "max_tokens" and, when they were measured, "embedding_rms" and
// "layers".
struct HeSection {
  int version = 1;
  Softmax softmax = Softmax::exact;
  Norm norm = Norm::exact;
  // Largest absolute value seen at any point that the client decrypts (ReLU inputs: scores x/2+1, both layers of T,
  // FFN pre-activations; logits), over the calibration set. The planner sizes the lowest modulus from it, with margin.
  double max_relu_input = 0;
  double max_logit = 0;
  int max_tokens = 128;  // of the longest texts that it was converted for; plans are made for these unless asked else
  // Root mean square of what the client encrypts; 0: not measured, taken to be 1.
  double embedding_rms = 0;
  // One entry for each layer, or none: then predictions of precision assume that norms leave values near 1.
  std::vector<LayerRanges> layers;

  // The larger of them that the client decrypts under the protocol.
  double largest_decrypted(Protocol protocol) const {
    return row_of(protocol).client_sees_values && max_relu_input > max_logit ? max_relu_input : max_logit;
  }
};

struct ModelConfig {
  int layers = 2;
  int hidden = 128;
  int heads = 2;
  int ffn = 512;
  int vocab = 30522;
  int max_positions = 512;
  int type_vocab = 2;  // 0: no token type embeddings (DistilBERT)
  double layer_norm_eps = 1e-12;
  Activation activation = Activation::gelu;
  bool pooler = true;        // dense layer before the classifier; THE-X drops it, token classifiers have none
  bool pooler_relu = false;  // its activation: DistilBERT's ReLU instead of BERT's tanh
  Task task = Task::classification;
  std::vector<std::string> labels;  // id2label, in order; one for a regression; empty: a backbone without a head
  bool do_lower_case = true;        // from tokenizer_config.json or tokenizer.json
  // Tokens beside [PAD], [UNK], [CLS], [SEP] and [MASK] that stand for themselves where a text has them; from the same
  // files and special_tokens_map.json.
  std::set<std::string> special_tokens;
  std::optional<HeSection> thex;

  int head_dim() const { return hidden / heads; }
  // The protocols that can evaluate every nonlinearity, in the order of their table.
  std::vector<Protocol> protocols() const;
  bool he_friendly() const { return !protocols().empty(); }
};

// Throws Error(model) when the model has one token type: the two texts of a pair need two. (Without token types, as in
// DistilBERT, pairs are told apart by [SEP] alone.)
void require_pairs(const ModelConfig& config);

// Fields that do not change what the model computes are ignored. Throws Error(model) naming the field and value that is
// missing, out of range or unsupported; for another architecture, why it is not supported.
ModelConfig parse_config(const std::string& config_json, const std::string& tokenizer_config_json = "{}");
// Reads config.json and what tokenizer_config.json, special_tokens_map.json, added_tokens.json and tokenizer.json say
// where they are there. Throws Error(model), Error(file).
ModelConfig load_config(const std::filesystem::path& folder);
// The config.json text for a model that Hugging Face's BertForSequenceClassification would also accept
// (where the replacements and the pooler's activation allow it).
std::string config_to_json(const ModelConfig& config);
// The tokenizer_config.json text that goes with it.
std::string tokenizer_config_to_json(const ModelConfig& config);

}  // namespace thex::model
