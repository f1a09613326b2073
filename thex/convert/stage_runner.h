// Stages of a workflow in order: each continues from the last one's module, is evaluated, and is kept as a checkpoint
// under its number and name; a run that finds the checkpoint goes on from there.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "thex/convert/checkpoint.h"
#include "thex/convert/train.h"

namespace thex::convert {

struct StageRow {
  std::string name, what;
  Score held_out, dev;
  double seconds = 0;  // of the run that made it
  Curve curve;         // the epochs of its training
};

class StageRunner {
 public:
  // What led to a stage decides whether its checkpoint is used: the store's fingerprint and the names of all stages
  // before. The references must outlive the runner.
  StageRunner(EncoderModule start, const TaskData& data, const CheckpointStore& store, std::uint64_t seed,
              const Log& log);

  void stage(const std::string& name, const std::string& what, const std::function<void(EncoderModule&)>& action);

  // Inside of a stage: where its training puts its curve, and the store for the training's state, which is removed when
  // the stage is complete.
  Curve* curve() { return &curve_; }
  const CheckpointStore& store() const { return store_; }

  EncoderModule module;
  std::vector<StageRow> rows;

 private:
  const TaskData& data_;
  CheckpointStore store_;
  Curve curve_;
  const std::uint64_t seed_;
  const Log& log_;
};

// A score as notes of a checkpoint, and back.
void add_score(std::map<std::string, std::string>& notes, const std::string& prefix, const Score& score);
Score score_from(const std::map<std::string, std::string>& notes, const std::string& prefix);

}  // namespace thex::convert
