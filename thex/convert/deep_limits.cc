#include "thex/convert/deep_limits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "thex/base/error.h"
#include "thex/convert/losses.h"
#include "thex/convert/workers.h"

namespace thex::convert {
namespace {

using torch::Tensor;

constexpr double kProbability = 1.2, kProbabilityWeight = 20;
constexpr double kMeanSquare = 2.5;
constexpr double kLarge = 4;
constexpr double kSteepest = -1 / DeepLimits::kFarthest;  // slope times the usual mean square

Tensor mean_squares(const LayerTrace& trace) { return trace.norm_in[0].square().mean(-1); }  // [B, Lq]

}  // namespace

DeepLimits::DeepLimits(const EncoderModule& start, const DataSet& data) : usual_(start.norms.size(), 0) {
  if (data.empty()) throw Error(ErrorCode::input, "no examples to measure mean squares on");
  at::NoGradGuard no_grad;
  const auto batches = sorted_batches(data, 32);
  std::vector<std::vector<Tensor>> of_tokens(usual_.size(), std::vector<Tensor>(batches.size()));
  std::vector<std::vector<Tensor>> sums(usual_.size() / 2, std::vector<Tensor>(batches.size()));
  in_parallel(batches.size(), start.device, [&](std::size_t b) {
    const Batch batch = collate(data, batches[b], start.device);
    const Output out = start.forward(batch, every_row());
    for (std::size_t l = 0; l < out.layers.size(); ++l) {
      if (start.norms[2 * l] != NormMode::mean_square) continue;
      of_tokens[2 * l][b] = mean_squares(out.layers[l]).masked_select(batch.mask.gt(0));
      sums[l][b] = real_rows(batch, out.layers[l].sum.squeeze(-1).transpose(1, 2));
    }
  });
  usual_sums_.resize(sums.size());
  for (std::size_t norm = 0; norm < usual_.size(); ++norm) {
    if (start.norms[norm] != NormMode::mean_square) continue;
    usual_[norm] = at::cat(of_tokens[norm]).nanmedian().item<double>();
    if (!(usual_[norm] > 0) || !std::isfinite(usual_[norm]))
      throw Error(ErrorCode::input, "the polynomials of layer " + std::to_string(norm / 2) +
                                        " are not finite for half of the tokens: add training examples");
    usual_sums_[norm / 2] = std::get<0>(at::cat(sums[norm / 2]).nanmedian(0)).clamp_min(1e-6).view({1, -1, 1, 1});
  }
}

Tensor DeepLimits::penalty(const Output& out, const Batch& batch) const {
  Tensor penalty;
  for (std::size_t l = 0; l < out.layers.size(); ++l) {
    if (usual_[2 * l] == 0) continue;
    const LayerTrace& trace = out.layers[l];
    const Tensor real = batch.mask.slice(1, 0, trace.ffn.size(1));  // [B, Lq]
    const Tensor over = at::relu(trace.probabilities / usual_sums_[l] - kProbability).sum(-1).mean(1);
    const Tensor far = at::relu(mean_squares(trace) / usual_[2 * l] - kMeanSquare);
    const Tensor both = by_root_beyond(over, kLarge) * kProbabilityWeight + by_root_beyond(far, kLarge);
    const Tensor mean = (both * real).sum() / real.sum();
    penalty = penalty.defined() ? penalty + mean : mean;
  }
  if (!penalty.defined()) throw Error(ErrorCode::usage, "no norm of the model goes by mean squares");
  return penalty;
}

void DeepLimits::hold(EncoderModule& module) const {
  at::NoGradGuard no_grad;
  for (std::size_t norm = 0; norm < usual_.size(); ++norm)
    if (usual_[norm] > 0)
      module.params.at(norm_prefix(static_cast<int>(norm)) + "AffineNorm.slope").clamp_(kSteepest / usual_[norm], 0);
}

std::vector<double> DeepLimits::farthest(const EncoderModule& module, const DataSet& texts) const {
  at::NoGradGuard no_grad;
  std::vector<double> out(texts.size(), 0);
  const auto batches = sorted_batches(texts, 64);
  in_parallel(batches.size(), module.device, [&](std::size_t b) {
    const Batch batch = collate(texts, batches[b], module.device);
    const Output traces = module.forward(batch, every_row());
    for (std::size_t l = 0; l < traces.layers.size(); ++l) {
      if (usual_[2 * l] == 0) continue;
      const double none = std::numeric_limits<double>::infinity();
      const Tensor far = at::where(batch.mask.gt(0), at::nan_to_num(mean_squares(traces.layers[l]), none, none, none),
                                   at::zeros_like(batch.mask))
                             .amax({1})
                             .to(torch::kCPU)
                             .contiguous();
      for (std::size_t i = 0; i < batches[b].size(); ++i)
        out[batches[b][i]] =
            std::max(out[batches[b][i]], static_cast<double>(far.data_ptr<float>()[i]) / usual_[2 * l]);
    }
  });
  return out;
}

}  // namespace thex::convert
