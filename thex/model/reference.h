// The clear (unencrypted) forward pass, in double precision, of a plain BERT, an HE-friendly one, or any stage in
// between: which nonlinearities it uses is decided by the configuration. It is the yardstick of every encrypted result.
//
// For Softmax::estimation with scores s = q.k/sqrt(d): u = s/2+1, c = ReLU(u)^3, c = 0 at padded keys,
// P = c * T(sum_j c_j). The sum runs over real tokens only, so the result does not depend on the padding. For
// Softmax::power P = (s/2+1)^2 / n, n the number of real tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thex/model/model.h"

namespace thex::model {

struct ForwardResult {
  std::vector<std::vector<double>> hidden;  // per stage: embeddings, then each layer; tokens x hidden, row-major
  // One for each label; for token classification tokens x labels, row-major, special tokens included; for a regression
  // the value; empty for a backbone without a head.
  std::vector<double> logits;
  double max_relu_input = 0;  // largest |ReLU input| seen (HE-friendly parts only)
};

// Word + position + token-type embeddings and their exact LayerNorm: ids.size() x hidden, row-major. Client side.
// A model without token types ignores `type_ids`. Throws Error(input) for an id out of range, no token, or more tokens
// than positions.
std::vector<double> embed(const Model& model, std::span<const std::int32_t> ids,
                          std::span<const std::int32_t> type_ids);

// No padding is needed: a single sentence is passed at its own length.
ForwardResult forward(const Model& model, std::span<const std::int32_t> ids, std::span<const std::int32_t> type_ids);

// The same from the embeddings on (tokens x hidden, row-major): what the server computes; Part::server is enough.
// Throws Error(input) when the size is not a positive multiple of hidden.
ForwardResult forward_embedded(const Model& model, std::vector<double> embeddings);

// How large values are over some embedded texts (config.h), for planning; of HE-friendly models.
struct ValueSizes {
  std::vector<LayerRanges> layers;
  double max_relu_input = 0, max_logit = 0;  // not finite where a logit is not
};
ValueSizes measure_sizes(const Model& model, std::span<const std::vector<double>> texts);

// The same of rows of padding, of polynomial models: the server computes with them as with tokens, from embeddings that
// are zero, though no token attends to them. Sizes at attention_sum, attention_norm and output_norm, each the larger
// one of padding beside those texts and of empty places of a batch, which have no tokens beside them.
std::vector<LayerRanges> measure_padding(const Model& model, std::span<const std::vector<double>> texts);

// How much small random errors of a layer's values change the outputs, over some embedded texts, likewise: a forward
// pass for every layer, text and draw. `draws`: errors that are tried for each text.
std::vector<LayerSensitivity> measure_sensitivity(const Model& model, std::span<const std::vector<double>> texts,
                                                  int draws);

}  // namespace thex::model
