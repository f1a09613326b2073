#include "thex/circuit/mask_distance.h"

#include <cmath>
#include <limits>
#include <vector>

#include "thex/circuit/noise_model.h"
#include "thex/circuit/refresh.h"
#include "thex/ckks/masked_refresh.h"

namespace thex::circuit {

double log_refreshed_size(const Program& program) {
  std::vector<NodeId> refreshed;
  for (const ClientStep& step : program.steps)
    refreshed.insert(refreshed.end(), step.refreshed.begin(), step.refreshed.end());
  if (refreshed.empty()) return -std::numeric_limits<double>::infinity();
  const std::vector<double> squares = mean_squares(program);
  double sum = 0;
  for (const NodeId id : refreshed) sum += std::sqrt(squares[program.nodes[id].inputs[0]]);
  return std::log2(kMaskMargin * std::sqrt(2.0 * static_cast<double>(program.slots)) * sum);
}

double statistical_bits(const ckks::Context& context, double log_refreshed_size) {
  return ckks::refresh_mask_bits(context) - std::log2(context.scale(ckks::kRefreshLevel)) - log_refreshed_size;
}

// A bit more for primes that lie below powers of two.
int mask_bits_for(double statistical_bits, double log_refreshed_size) {
  return static_cast<int>(std::ceil(statistical_bits + log_refreshed_size)) + 1;
}

}  // namespace thex::circuit
