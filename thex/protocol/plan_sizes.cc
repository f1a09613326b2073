#include "thex/protocol/plan_sizes.h"

#include <algorithm>
#include <numeric>

#include "thex/ckks/serialization.h"
#include "thex/protocol/messages.h"

namespace thex::protocol {

std::vector<std::size_t> fresh_sizes(const bert::InferencePlan& plan, std::size_t bucket, std::size_t step) {
  const circuit::Plan& p = plan.plan;
  std::vector<std::size_t> sizes;
  for (const circuit::NodeId node : p.programs.at(bucket).steps.at(step).outputs) {
    const int level = p.program_plans.at(bucket).level.at(static_cast<std::size_t>(node));
    sizes.push_back(ckks::ciphertext_bytes(*p.context, level, true));
  }
  return sizes;
}

std::vector<std::size_t> step_sizes(const bert::InferencePlan& plan, std::size_t bucket, std::size_t step) {
  const auto count = plan.plan.programs.at(bucket).steps.at(step).inputs.size();
  return std::vector<std::size_t>(count, ckks::ciphertext_bytes(*plan.plan.context, 0, false));
}

std::vector<std::size_t> result_sizes(const bert::InferencePlan& plan) {
  return {ckks::ciphertext_bytes(*plan.plan.context, 0, false)};
}

std::size_t message_bytes(const std::vector<std::size_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), kCiphertextsHeadBytes);
}

std::size_t max_query_bytes(const bert::InferencePlan& plan) {
  std::size_t most = 0;
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) most = std::max(most, message_bytes(fresh_sizes(plan, b, 0)));
  return most;
}

std::size_t key_bytes(const bert::InferencePlan& plan) {
  return ckks::evaluation_keys_bytes(*plan.plan.context, plan.plan.keys);
}

}  // namespace thex::protocol
