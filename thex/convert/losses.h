// What training minimises, for every task: the labels' loss, the distillation loss on a teacher's outputs, and the
// distillation of hidden states.
#pragma once

#include <functional>

#include "thex/convert/data.h"
#include "thex/convert/encoder_module.h"

namespace thex::convert {

// The mean loss of a batch, with gradients.
using Loss = std::function<torch::Tensor(const Output&, const Batch&)>;

// What the loss of a task depends on beside the outputs.
struct Objective {
  model::Task task = model::Task::classification;
  double value_scale = 1;  // regression: the deviation of the targets; errors are measured in it
  double value_mean = 0;   // regression: the head's bias starts here
};
// From the training examples' targets. Throws Error(input) when a regression has fewer than two different ones.
Objective objective_of(model::Task task, const DataSet& train);

// Cross-entropy with the labels or with the tags of the words' first pieces, or the mean squared error in units of
// value_scale. What has no label does not count.
Loss label_loss(const Objective& objective);

// A teacher's outputs for a batch: as Output::logits.
using Targets = std::function<torch::Tensor(const Batch&)>;
// From predict's table for `train`, [N, labels] or [words, labels]. Throws Error(internal) for another number of rows.
Targets targets_of(model::Task task, torch::Tensor table, const DataSet& train);

// hard * label_loss + (1 - hard) * the teacher's part: T^2 * KL(teacher || student) at temperature T of the logits
// (token classification: of the words' logits), or the squared difference of the values in units of value_scale.
Loss distillation_loss(const Objective& objective, Targets teacher, double hard, double temperature);

// `task` + weight * the mean over layers of the squared difference of both models' layer outputs relative to the
// teacher's mean square, at the rows that the student computed. The teacher has the student's shape and runs beside it,
// without dropout.
Loss with_hidden_states(Loss task, const EncoderModule& teacher, double weight);

// Values above `limit` by their root: with slope 1 up to there and slowly growing beyond, so that what is far off does
// not outweigh all else.
torch::Tensor by_root_beyond(const torch::Tensor& values, double limit);

// Sum over the affine norms of the mean squared difference to the exact norms beside them (NormMode::shadow): the loss
// of THE-X's stage 5.
Loss norm_distillation_loss();

}  // namespace thex::convert
