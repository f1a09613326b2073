// Plain (not HE-friendly) models: fine-tunes a pre-trained encoder with a fresh head on a task, and makes a small
// BERT-tiny-shaped student of it that starts from its word embeddings (principal components) and learns its outputs.
#pragma once

#include "thex/convert/checkpoint.h"
#include "thex/convert/train.h"

namespace thex::convert {

struct FineTuneOptions {
  int epochs = 0;  // 0: as many as make `min_steps` steps, 10 at most
  long min_steps = 400;
  int patience = 3;
  double rate = 6e-5;  // of a pre-trained encoder; the fresh head shares it
  double head_rate_scale = 1;
  std::size_t batch = 32;
  double dropout = 0;
  double length_power = 0;
  bool fresh_pooler = false;  // a random pooler where the encoder has none
  std::uint64_t seed = 1;
  long max_steps = 0;  // for tests: stop each training there
};

struct PlainOptions {
  model::ModelConfig student;  // shape of the result; labels and task set by the caller
  FineTuneOptions teacher;
  int student_epochs = 0;  // 0: as many as make `min_steps` steps, 4 at least and 60 at most
  long min_steps = 4000;
  int patience = 8;
  double student_rate = 1e-3;
  double student_embedding_rate = 1e-3;
  std::size_t student_batch = 64;
  double hard = 0.2;  // share of the hard-label loss
  double temperature = 2;
  double dropout = 0, word_dropout = 0;  // noise in the student alone: it cannot follow its teacher through it
  double length_power = 0.5;
  std::uint64_t seed = 1;
  long max_steps = 0;  // for tests: stop each training there

  std::string describe() const;  // of the student's training, for fingerprints
};

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
