#include "thex/client/answer.h"

#include <algorithm>
#include <cmath>

namespace thex::client {

std::pair<std::size_t, double> top_label(std::span<const double> logits) {
  const auto top = std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double x : logits) sum += std::exp(x - *top);
  return {static_cast<std::size_t>(top - logits.begin()), 1 / sum};
}

}  // namespace thex::client
