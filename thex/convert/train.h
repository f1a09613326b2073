// One training loop for every stage: AdamW with linear warm-up and decay, length-sorted batches whose parts go forward
// and backward on a thread each (without dropout, whose random numbers have one order), an evaluation after
// each epoch on the held-out split, the best epoch kept, a checkpoint after each epoch, and an early end when nothing
// gets better. An epoch that diverges is begun again, from where it began, at half the rate.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thex/base/error.h"
#include "thex/convert/adam.h"
#include "thex/convert/checkpoint.h"
#include "thex/convert/losses.h"
#include "thex/convert/score.h"

namespace thex::convert {

// One epoch: the mean training loss and the held-out metric (times 100).
struct EpochPoint {
  int epoch = 0;  // from 1
  double loss = 0, held_out = 0;
  int restarts = 0;  // times that it diverged and was begun again
};
using Curve = std::vector<EpochPoint>;
// As a note of a checkpoint, and back. Throws Error(model) for a text that is none.
std::string curve_text(const Curve& curve);
Curve curve_from(const std::string& text);

struct TrainOptions {
  std::string name;                    // for progress lines and the checkpoint's file name
  std::string rate_option = "--rate";  // which option of the command line sets the rate, for messages
  int epochs = 1;
  int patience = 0;  // epochs without a better held-out score before training ends; 0: all epochs
  std::size_t batch_size = 64;
  double learning_rate = 5e-4;
  double embedding_rate = 5e-4;  // of the word table; 0: the table is not trained
  double warmup = 0.1;           // share of the steps
  double weight_decay = 0.01;
  double clip = 1.0;
  double length_power = 0;         // weight of long examples, see collate
  std::size_t epoch_examples = 0;  // an epoch ends after so many of the examples, others each time; 0: after all
  std::uint64_t seed = 1;
  long max_steps = 0;         // 0: no limit; else stop there (tests, quick looks)
  bool keep_last = false;     // the last epoch's parameters stay, not the best one's: for losses that the metric says
                              // nothing about
  bool start_counts = false;  // the parameters before the first step stand for an epoch too: training never ends with
                              // a worse held-out score than it began with
  // Where the state between two epochs is kept: parameters, moments, the best epoch so far. A training that finds one
  // for its store's fingerprint goes on from there and, with one CPU thread, ends bit for bit as if it had not been
  // interrupted: the random numbers of an epoch follow from (seed, epoch). Epochs that end less than
  // `checkpoint_seconds` after the last checkpoint write none, which loses at most as much work.
  const CheckpointStore* store = nullptr;
  double checkpoint_seconds = 15;
  Curve* curve = nullptr;  // receives every epoch, those before a resumption included
  ForwardOptions forward;
  // Where given: the examples of an epoch in place of the training split, as many as `epoch_examples` says; from the
  // epoch's number and the module as it is.
  std::function<DataSet(int epoch, const EncoderModule& now)> examples = nullptr;
  InputStatisticsOf inputs;  // see Adam
  // Where given: what goes with a batch as Batch::wanted.
  std::function<std::shared_ptr<const Wanted>(const Batch&)> wanted = nullptr;
  // Called before every step with the share of all steps that is done, and after it.
  std::function<void(double share)> before_step = nullptr;
  std::function<void(EncoderModule&)> after_step = nullptr;
};

// How many steps of `batch_size` an epoch has, see TrainOptions::epoch_examples.
long steps_per_epoch(std::size_t examples, std::size_t batch_size, std::size_t epoch_examples);

// The epochs that make at least `steps` steps of `batch_size`, and at least `at_least`.
int epochs_for(std::size_t examples, std::size_t batch_size, long steps, int at_least, std::size_t epoch_examples = 0);

// The name of that checkpoint; the caller removes it once the result is safe.
std::string training_state_name(const std::string& training);

// Thrown by train() when a training diverges again and again.
struct Diverged : Error {
  explicit Diverged(const std::string& what) : Error(ErrorCode::usage, what) {}
};

// Trains the parameters for which `trainable` holds (the word table by embedding_rate), returns the held-out score of
// the best epoch, whose parameters the module then has. Throws Diverged, Error(usage) when memory runs out, Error(file)
// when a checkpoint cannot be written.
Score train(EncoderModule& module, const TaskData& data, const TrainOptions& options, const Loss& loss,
            const std::function<bool(const std::string&)>& trainable, const Log& log);

}  // namespace thex::convert
