// The THE-X workflow: from a plain model of any task to an HE-friendly one, stage by stage, each evaluated,
// checkpointed and resumable. It follows THE-X (Chen et al. 2022, arXiv 2206.00216), and goes beyond it where a stage
// says so.
#pragma once

#include <string>
#include <vector>

#include "thex/convert/calibrate.h"
#include "thex/convert/softmax_estimation.h"
#include "thex/convert/stage_runner.h"
#include "thex/convert/workflow_options.h"

namespace thex::convert {

struct WorkflowResult {
  EncoderModule module;  // HE-friendly, parameters rounded to half precision
  std::vector<StageRow> stages;
  EstimationOptions estimation;  // the range that T was fitted for
  EstimationReport estimation_report;
  Ranges ranges;  // over calibration data, joined sentences of max_length included
  Ranges unseen;  // over held-out and dev examples
};

// Whether the student is drawn to the plain model's states (deep_training.h), which then runs beside it.
bool takes_states(model::Protocol protocol);

// `teacher_table`: predict's table for data.split.train (the plain model's own, or a larger model's); undefined and
// not used under Profile::paper and where takes_states; there `larger`, if any, says the outputs in place of the plain
// model.
WorkflowResult run_workflow(const EncoderModule& plain, torch::Tensor teacher_table, const TaskData& data,
                            const WorkflowOptions& options, const CheckpointStore& store, const Log& log,
                            const EncoderModule* larger = nullptr);

}  // namespace thex::convert
