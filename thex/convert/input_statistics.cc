#include "thex/convert/input_statistics.h"

#include <vector>

#include "thex/base/error.h"
#include "thex/convert/workers.h"

namespace thex::convert {
namespace {

using torch::Tensor;

// Directions in which inputs vary less than this, relative to the mean variance, count as if they varied so much.
constexpr double kLeastVariance = 0.03;
enum Place : std::size_t { to_attention, context, to_ffn, units, places };

InputStatistics statistics_of(const Tensor& all, bool diagonal) {
  const Tensor near = usual_rows(all);
  if (near.numel() == 0) throw Error(ErrorCode::input, "the model's values are no numbers: add training examples");
  const Tensor rows = all.index_select(0, near), mean = rows.mean(0), centred = rows - mean;
  if (diagonal) {
    const Tensor variance = centred.square().mean(0);
    return {mean, (variance / variance.mean() + kLeastVariance).rsqrt()};
  }
  Tensor covariance = at::matmul(centred.t(), centred).to(torch::kFloat64);
  covariance = covariance / covariance.diagonal().mean();
  covariance.diagonal().add_(kLeastVariance);
  const auto [values, vectors] = at::linalg_eigh(covariance);
  return {mean, at::matmul(vectors * values.rsqrt(), vectors.t()).to(torch::kFloat32).contiguous()};
}

}  // namespace

InputStatisticsOf input_statistics(const EncoderModule& module, const DataSet& data) {
  if (data.empty()) throw Error(ErrorCode::input, "no examples to measure inputs on");
  at::NoGradGuard no_grad;
  const auto layers = static_cast<std::size_t>(module.config.layers);
  const auto batches = sorted_batches(data, 32);
  std::vector<std::vector<Tensor>> rows(places * layers, std::vector<Tensor>(batches.size()));
  in_parallel(batches.size(), module.device, [&](std::size_t b) {
    const Batch batch = collate(data, batches[b], module.device);
    const Output out = module.forward(batch, every_row());
    const auto put = [&](std::size_t layer, Place place, const Tensor& x) {
      rows[places * layer + place][b] = real_rows(batch, x);
    };
    for (std::size_t l = 0; l < layers; ++l) {
      const LayerTrace& trace = out.layers[l];
      put(l, to_attention, l == 0 ? out.embedded : out.layers[l - 1].norm_out[1]);
      put(l, context, trace.context);
      put(l, to_ffn, trace.norm_out[0]);
      put(l, units, activate(module.config.activation, trace.ffn));
    }
  });
  std::vector<InputStatistics> found(rows.size());
  in_parallel(found.size(), module.device,
              [&](std::size_t i) { found[i] = statistics_of(at::cat(rows[i]), i % places == units); });
  InputStatisticsOf inputs;
  for (std::size_t l = 0; l < layers; ++l) {
    const std::string layer = layer_prefix(static_cast<int>(l));
    for (const char* name : {"query", "key", "value"})
      inputs[layer + "attention.self." + name] = found[places * l + to_attention];
    inputs[layer + "attention.output.dense"] = found[places * l + context];
    inputs[layer + "intermediate.dense"] = found[places * l + to_ffn];
    inputs[layer + "output.dense"] = found[places * l + units];
  }
  return inputs;
}

}  // namespace thex::convert
