// A BERT encoder with the head of its task, as named float tensors.
//
// Tensor names are Hugging Face's (BertForSequenceClassification, BertForTokenClassification), with or without the
// "bert." prefix on disk and always without it here (DistilBERT's names become BERT's):
// "embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight", ..., "pooler.dense.weight" (if
// config.pooler), "classifier.weight", "classifier.bias". For Softmax::estimation each layer also has the reciprocal
// network T, Linear(1,16)-ReLU-Linear(16,16)-ReLU-Linear(16,1):
// "encoder.layer.N.attention.self.estimation.{0,2,4}.{weight,bias}" with shapes [16,1],[16] / [16,16],[16] /
// [1,16],[1]. For Norm::affine, "...LayerNorm.weight" and ".bias" hold gamma' and beta' (the embedding LayerNorm stays
// exact: the client computes it in clear).
#pragma once

#include <filesystem>
#include <initializer_list>

#include "thex/checkpoint/safetensors.h"
#include "thex/model/config.h"

namespace thex::model {

inline constexpr int kEstimationWidth = 16;

struct Model {
  ModelConfig config;
  checkpoint::TensorMap tensors;
  // What load_model took off the beginning of every tensor's name, "module."; a person should be told.
  std::string prefix;
  // That in words; empty when there was none.
  std::string prefix_note() const;

  // The tensor of that name and shape; throws Error(model) naming both when it is missing or differs.
  const checkpoint::Tensor& at(const std::string& name, std::initializer_list<std::int64_t> shape) const;
};

// Which part of a model a process needs. The client never loads encoder weights; the server never loads embeddings.
enum class Part { all, client, server };

// Name and shape of every tensor that the configuration implies: client is "embeddings.*", server is all the rest.
std::map<std::string, std::vector<std::int64_t>> expected_tensors(const ModelConfig& config, Part part = Part::all);

// How many numbers those tensors hold.
std::uint64_t parameter_count(const ModelConfig& config, Part part = Part::all);

// Throws Error(model) naming the tensor when `shape` is null (it is missing) or not the expected one.
void check_shape(const std::string& name, const std::vector<std::int64_t>* shape,
                 const std::vector<std::int64_t>& expected);

// Loads config.json, tokenizer_config.json (optional) and the weights, from safetensors or pytorch_model.bin, whole or
// in shards (weight_files.h); checks that every tensor the configuration implies is there with its shape; other tensors
// are left out. Without a "thex" section the presence of token types, of the pooler and of the classifier is taken from
// the tensors: a plain encoder loads as a backbone (labels empty, pooler false). One prefix that
// all names share ("module.", "model.", "_orig_mod.") is taken off. Throws Error(model), Error(file).
Model load_model(const std::filesystem::path& folder, Part part = Part::all);

// Writes config.json, model.safetensors, vocab.txt (copied from `vocab` unless that is empty) and
// tokenizer_config.json, atomically per file, creating the folder. `part` selects the tensors that are written, so one
// model can be split into a client's and a server's bundle. Throws Error(model) when a tensor is missing or has another
// shape, Error(file).
void save_model(const Model& model, const std::filesystem::path& folder, const std::filesystem::path& vocab,
                checkpoint::Dtype dtype, Part part = Part::all);

}  // namespace thex::model
