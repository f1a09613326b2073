// A plain model whose states a student of the same shape is drawn to, sublayer by sublayer: after every norm.
#pragma once

#include <memory>
#include <vector>

#include "thex/convert/losses.h"

namespace thex::convert {

class StateTeacher {
 public:
  // Differences count in units of each feature's deviation over `data`. `outputs`: the model whose outputs are wanted,
  // where it is another one. The references must outlive the teacher.
  StateTeacher(const EncoderModule& plain, const DataSet& data, const EncoderModule* outputs = nullptr);

  // For Batch::wanted; what follows needs it there.
  std::shared_ptr<const Wanted> of(const Batch& batch) const;

  // What the next sublayer gets of a student's state in training: no farther from the plain model's than `limit`
  // deviations (root mean square over the features of a token), so that a token that is lost in one layer does not lose
  // the gradients of all that follow.
  torch::Tensor guarded(const Batch& batch, std::size_t sublayer, const torch::Tensor& state, double limit = 1) const;

  // The mean over sublayers and tokens of the mean squared difference, large ones by their root; [CLS] counts three
  // times, the last sublayer twice.
  torch::Tensor loss(const Output& out, const Batch& batch) const;

 private:
  torch::Tensor difference(const Batch& batch, std::size_t sublayer, const torch::Tensor& state) const;  // [B, Lq]

  const EncoderModule& plain_;
  const EncoderModule* const outputs_;
  std::vector<torch::Tensor> weights_;  // per sublayer: of a feature's squared difference
};

}  // namespace thex::convert
