// Plain (not HE-friendly) models: fine-tunes a pre-trained encoder with a fresh head on a task, and makes a small
// BERT-tiny-shaped student of it that starts from its word embeddings (principal components) and learns its outputs.
#pragma once

#include "thex/convert/checkpoint.h"
#include "thex/convert/plain_options.h"
#include "thex/convert/train.h"

namespace thex::convert {

// `config` with the encoder's tensors where it has them and random ones elsewhere; never its classifier. Throws
// Error(model) when shapes differ.
EncoderModule with_fresh_head(const model::Model& encoder, const model::ModelConfig& config, std::uint64_t seed,
                              torch::Device device);

// The backbone with a fresh head for `spec`, fine-tuned on the labels. Checkpoint `name`. A regression's head starts at
// the mean of the targets. Throws Error(model) for a backbone whose tensors have other shapes than its configuration
// implies.
EncoderModule fine_tune_backbone(const model::Model& backbone, const std::string& name, const TaskData& data,
                                 const FineTuneOptions& options, const CheckpointStore& store, torch::Device device,
                                 const Log& log);

// predict's table of the teacher for the training split. Checkpoint "teacher-logits".
torch::Tensor teacher_logits(const EncoderModule& teacher, const Split& split, const CheckpointStore& store,
                             const Log& log);

// A student whose embedding tables are the first principal components of the backbone's (weighted by how often each
// word occurs in `data`, plus one), scaled to deviation 0.05. Queries and keys start near the identity, so that tokens
// attend to tokens like themselves; everything else starts at random.
EncoderModule start_student(const model::ModelConfig& config, const model::Model& backbone, const DataSet& data,
                            std::uint64_t seed, torch::Device device);

// Trains `student` from the teacher's table (undefined: hard labels only). Its state between epochs goes to `store`.
Score train_student(EncoderModule& student, const TaskData& data, torch::Tensor logits, const PlainOptions& options,
                    const CheckpointStore* store, const Log& log);

// A regression's output starts at the mean of the targets rather than at zero.
void start_head(EncoderModule& module, const DataSet& train);

}  // namespace thex::convert
