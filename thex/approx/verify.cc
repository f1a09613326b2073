#include "thex/approx/verify.h"

#include <algorithm>
#include <cmath>

#include "thex/approx/train.h"
#include "thex/bert/reference.h"

namespace thex::approx {

Agreement compare_with_reference(const EncoderModule& module, const bert::Model& exported, const DataSet& data) {
  Agreement result;
  result.count = data.size();
  const torch::Tensor logits = all_logits(module, data, [](const std::string&) {}).contiguous();
  const auto labels = static_cast<std::size_t>(logits.size(1));
  const float* value = logits.data_ptr<float>();
  std::size_t right = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::vector<std::int32_t> ids(data[i].ids.begin(), data[i].ids.end()),
        types(data[i].types.begin(), data[i].types.end());
    const std::vector<double> reference = bert::forward(exported, ids, types).logits;
    for (std::size_t k = 0; k < labels; ++k)
      result.largest_difference =
          std::max(result.largest_difference, std::abs(reference[k] - static_cast<double>(value[i * labels + k])));
    right += std::max_element(reference.begin(), reference.end()) - reference.begin() == data[i].label;
  }
  if (!data.empty()) result.accuracy = 100 * static_cast<double>(right) / static_cast<double>(data.size());
  return result;
}

}  // namespace thex::approx
