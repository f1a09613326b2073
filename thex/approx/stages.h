// The THE-X workflow: from a plain classifier to an HE-friendly one, stage by stage, each evaluated, checkpointed and
// resumable. docs: THE-X, Chen et al. 2022 (arXiv 2206.00216), and beyond it where a stage says so.
#pragma once

#include <string>
#include <vector>

#include "thex/approx/calibrate.h"
#include "thex/approx/checkpoint.h"
#include "thex/approx/softmax_estimation.h"
#include "thex/approx/train.h"

namespace thex::approx {

struct WorkflowOptions {
  int epochs = 1;       // of each fine-tuning stage
  int norm_epochs = 1;  // after each replaced LayerNorm
  int final_epochs = 3;
  double learning_rate = 4e-4;
  double embedding_rate = 4e-4;
  std::size_t batch_size = 64;
  double hard = 0.2;  // share of the hard labels in the loss, the rest is the teacher's
  double temperature = 2;
  double dropout = 0.1, word_dropout = 0.05;
  double length_power = 0.5;
  double score_limit = 3;    // |s/2+1| beyond it is penalised ("attention overflow")
  double ffn_limit = 15;     // |FFN pre-activation|
  double hidden_limit = 15;  // |norm inputs| where the norm is affine
  double range_weight = 0.05;
  int estimation_steps = 1500;
  std::uint64_t seed = 1;
  long max_steps = 0;  // for tests: stop each training there

  // Everything that changes the result, for fingerprints.
  std::string describe() const;
};

struct StageRow {
  std::string name, what;
  Score held_out, dev;
};

struct WorkflowResult {
  EncoderModule module;  // HE-friendly, parameters rounded to half precision
  std::vector<StageRow> stages;
  EstimationOptions estimation;  // the range that T was fitted for
  EstimationReport estimation_report;
  Ranges ranges;  // over calibration data, joined sentences of max_length included
};

// `teacher_logits`: [N, labels] for split.train (the plain model's own, or a larger model's).
WorkflowResult run_workflow(const EncoderModule& plain, torch::Tensor teacher_logits, const Split& split,
                            const DataSet& dev, int max_length, const WorkflowOptions& options,
                            const CheckpointStore& store, const Log& log);

}  // namespace thex::approx
