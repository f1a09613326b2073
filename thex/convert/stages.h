// The THE-X workflow: from a plain model of any task to an HE-friendly one, stage by stage, each evaluated,
// checkpointed and resumable. docs: THE-X, Chen et al. 2022 (arXiv 2206.00216), and beyond it where a stage says so.
#pragma once

#include <string>
#include <vector>

#include "thex/convert/calibrate.h"
#include "thex/convert/softmax_estimation.h"
#include "thex/convert/stage_runner.h"

namespace thex::convert {

enum class Profile {
  paper,     // THE-X as published: labels alone, T frozen, fine-tuned with the true LayerNorm, then every LayerNorm
             // replaced at once by distilling its own output with all else frozen
  standard,  // what loses least: a teacher in every stage, norms replaced a few at a time, each time fine-tuned
};

// The members' values are those of Profile::standard and a small model; see default_options.
struct WorkflowOptions {
  Profile profile = Profile::standard;
  model::Protocol protocol = model::Protocol::the_x;  // one_round: under Profile::standard alone
  // Epochs of a training: at least these, and as many as make the steps (an epoch of a small data set is few).
  int epochs = 1;       // of each fine-tuning stage
  int norm_epochs = 1;  // after each group of replaced LayerNorms
  int final_epochs = 3;
  long min_steps = 400;
  long final_steps = 1200;
  int patience = 5;    // epochs without a better held-out score that end a training; 0: none do
  int norm_group = 1;  // LayerNorms replaced together: more are faster, but scores may overflow
  double learning_rate = 2e-4;
  double embedding_rate = 2e-4;
  double affine_rate = 0.75;  // share of both rates where LayerNorms are affine
  double weight_decay = 0.01;
  std::size_t batch_size = 64;
  std::size_t epoch_examples = 0;  // see TrainOptions
  double hard = 0;                 // share of the hard labels in the loss, the rest is the teacher's
  double hidden = 0;               // weight of the distillation of the plain model's layer outputs
  double temperature = 2;
  double dropout = 0, word_dropout = 0;  // noise in the student alone: it cannot follow its teacher through it
  double length_power = 0.5;
  double score_limit = 3;    // |s/2+1| beyond it is penalised ("attention overflow")
  double ffn_limit = 15;     // |FFN pre-activation|
  double hidden_limit = 15;  // |norm inputs| where the norm is affine
  double range_weight = 0.05;
  int estimation_steps = 1500;
  double norm_rate = 5e-3;  // Profile::paper: of gamma' and beta'
  std::uint64_t seed = 1;
  long max_steps = 0;  // for tests: stop each training there

  // Everything that changes the result, for fingerprints.
  std::string describe() const;
};

// What suits a profile and a model of this width: a large pre-trained encoder forgets at the rate at which a BERT-tiny
// learns.
WorkflowOptions default_options(Profile profile, model::Protocol protocol, const model::ModelConfig& config);

struct WorkflowResult {
  EncoderModule module;  // HE-friendly, parameters rounded to half precision
  std::vector<StageRow> stages;
  EstimationOptions estimation;  // the range that T was fitted for
  EstimationReport estimation_report;
  Ranges ranges;  // over calibration data, joined sentences of max_length included
  Ranges unseen;  // over held-out and dev examples
};

// `teacher_table`: predict's table for data.split.train (the plain model's own, or a larger model's); undefined and
// not used under Profile::paper.
WorkflowResult run_workflow(const EncoderModule& plain, torch::Tensor teacher_table, const TaskData& data,
                            const WorkflowOptions& options, const CheckpointStore& store, const Log& log);

}  // namespace thex::convert
