// The training of a deep polynomial model: drawn to the plain model's states and outputs over the task's texts, texts
// without labels, and variants that are hard for polynomials (state_teacher.h, text_mixture.h, deep_limits.h).
#pragma once

#include "thex/convert/state_teacher.h"
#include "thex/convert/train.h"

namespace thex::convert {

struct DeepTrainingOptions {
  long steps = 4000;
  double states = 30;  // weight of the states beside the task's loss, which grows from zero in the beginning
  std::uint64_t seed = 1;
  DataSet measured;  // whose values are measured afterwards: none may be lost
};

// The steps of an epoch, after each of which the held-out examples are looked at and hard texts are sought anew.
long deep_epoch_steps(long steps);

// `module`: as start_deep_polynomial leaves it; `usual`: examples whose mean squares are usual; `task`: reads
// Batch::wanted; `train`: name, rate, batch size, store and curve.
void train_deep_polynomial(EncoderModule& module, const StateTeacher& teacher, const DataSet& usual,
                           const TaskData& data, const Loss& task, const DeepTrainingOptions& options,
                           TrainOptions train, const Log& log);

}  // namespace thex::convert
