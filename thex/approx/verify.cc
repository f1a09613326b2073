#include "thex/approx/verify.h"

#include <algorithm>
#include <cmath>

#include "thex/approx/score.h"
#include "thex/bert/reference.h"

namespace thex::approx {

namespace {

// The classifier on the last layer's output of every token.
std::vector<double> token_logits(const bert::Model& model, const bert::ForwardResult& run) {
  const auto hidden = static_cast<std::size_t>(model.config.hidden), labels = model.config.labels.size();
  const auto& weight = model.at("classifier.weight", {static_cast<std::int64_t>(labels), model.config.hidden}).data;
  const auto& bias = model.at("classifier.bias", {static_cast<std::int64_t>(labels)}).data;
  const std::vector<double>& x = run.hidden.back();
  std::vector<double> out;
  for (std::size_t t = 0; t < x.size() / hidden; ++t)
    for (std::size_t k = 0; k < labels; ++k) {
      double value = bias[k];
      for (std::size_t i = 0; i < hidden; ++i) value += static_cast<double>(weight[k * hidden + i]) * x[t * hidden + i];
      out.push_back(value);
    }
  return out;
}

}  // namespace

Agreement compare_with_reference(const EncoderModule& module, const bert::Model& exported, const data::TaskSpec& spec,
                                 const DataSet& data) {
  Agreement result;
  result.count = data.size();
  const torch::Tensor table = predict(module, data).contiguous();
  torch::Tensor reference = at::zeros_like(table);
  const auto width = static_cast<std::size_t>(table.size(1));
  const bool words = module.config.task == bert::Task::token_classification;
  const std::vector<std::int64_t> offsets = words ? word_offsets(data) : std::vector<std::int64_t>{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::vector<std::int32_t> ids(data[i].ids.begin(), data[i].ids.end()),
        types(data[i].types.begin(), data[i].types.end());
    const bert::ForwardResult run = bert::forward(exported, ids, types);
    // Token classification: one row of logits a token, of which the words' first pieces count.
    const std::vector<double> logits = words ? token_logits(exported, run) : run.logits;
    const std::size_t rows = words ? data[i].first.size() : 1;
    const std::size_t row = words ? static_cast<std::size_t>(offsets[i]) : i;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < width; ++k) {
        const double value = logits.at((words ? static_cast<std::size_t>(data[i].first[r]) : 0) * width + k);
        float* into = reference.data_ptr<float>() + (row + r) * width + k;
        *into = static_cast<float>(value);
        result.largest_difference =
            std::max(result.largest_difference,
                     std::abs(value - static_cast<double>(table.data_ptr<float>()[(row + r) * width + k])));
      }
  }
  result.metric = score_of(spec, data, reference).metric;
  return result;
}

}  // namespace thex::approx
