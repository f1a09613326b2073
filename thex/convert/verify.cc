#include "thex/convert/verify.h"

#include <cmath>
#include <limits>

#include "thex/convert/score.h"
#include "thex/model/reference.h"

namespace thex::convert {

Agreement compare_with_reference(const EncoderModule& module, const model::Model& exported, const data::TaskSpec& spec,
                                 const DataSet& data) {
  Agreement result;
  result.count = data.size();
  const torch::Tensor table = predict(module, data).contiguous();
  torch::Tensor reference = at::zeros_like(table);
  const auto width = static_cast<std::size_t>(table.size(1));
  const bool words = by_token(module.config.task);
  const std::vector<std::int64_t> offsets = words ? word_offsets(data) : std::vector<std::int64_t>{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::vector<std::int32_t> ids(data[i].ids.begin(), data[i].ids.end()),
        types(data[i].types.begin(), data[i].types.end());
    const model::ForwardResult run = model::forward(exported, ids, types);
    // Token classification: one row of logits a token, of which the words' first pieces count.
    const std::size_t rows = words ? data[i].first.size() : 1;
    const std::size_t row = words ? static_cast<std::size_t>(offsets[i]) : i;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < width; ++k) {
        const double value = run.logits.at((words ? static_cast<std::size_t>(data[i].first[r]) : 0) * width + k);
        float* into = reference.data_ptr<float>() + (row + r) * width + k;
        *into = static_cast<float>(value);
        const double difference = std::abs(value - static_cast<double>(table.data_ptr<float>()[(row + r) * width + k]));
        // A difference that is no number is larger than every other.
        if (!(difference <= result.largest_difference)) result.largest_difference = difference;
        if (std::isnan(difference)) result.largest_difference = std::numeric_limits<double>::infinity();
      }
  }
  result.metric = score_of(spec, data, reference).metric;
  return result;
}

}  // namespace thex::convert
