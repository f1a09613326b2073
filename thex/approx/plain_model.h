// Makes a plain (not HE-friendly) BERT-tiny-shaped classifier from a larger pre-trained encoder: fine-tunes that as the
// teacher, starts a small student from its word embeddings (principal components) and distils the teacher's logits.
#pragma once

#include "thex/approx/checkpoint.h"
#include "thex/approx/train.h"

namespace thex::approx {

struct PlainOptions {
  bert::ModelConfig student;  // shape of the result; labels set by the caller
  int teacher_epochs = 1;
  double teacher_rate = 6e-5;
  std::size_t teacher_batch = 32;
  int student_epochs = 6;
  double student_rate = 1e-3;
  double student_embedding_rate = 1e-3;
  std::size_t student_batch = 64;
  double hard = 0.2;  // share of the hard-label loss
  double temperature = 2;
  double dropout = 0.1;
  double word_dropout = 0.05;
  double length_power = 0.5;
  std::uint64_t seed = 1;
  long max_steps = 0;  // for tests: stop each training there
};

// The backbone with a fresh classification head, fine-tuned on the labels. Checkpoint "teacher".
EncoderModule make_teacher(const bert::Model& backbone, const std::vector<std::string>& labels, const Split& split,
                           const PlainOptions& options, const CheckpointStore& store, torch::Device device,
                           const Log& log);

// The teacher's logits on the training split, [N, labels]. Checkpoint "teacher-logits".
torch::Tensor teacher_logits(const EncoderModule& teacher, const Split& split, const CheckpointStore& store,
                             const Log& log);

// A student whose embedding tables are the first principal components of the backbone's (weighted by how often each
// word occurs in `data`, plus one), scaled to deviation 0.05; everything else starts at random.
EncoderModule start_student(const bert::ModelConfig& config, const bert::Model& backbone, const DataSet& data,
                            std::uint64_t seed, torch::Device device);

// Trains `student` from the logits ([N, labels], or undefined: hard labels only). Checkpoint "student".
Score train_student(EncoderModule& student, const Split& split, torch::Tensor logits, const PlainOptions& options,
                    const Log& log);

}  // namespace thex::approx
