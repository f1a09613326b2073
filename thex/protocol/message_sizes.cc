#include "thex/protocol/message_sizes.h"

#include <algorithm>
#include <numeric>

#include "thex/ckks/serialization.h"
#include "thex/protocol/messages.h"

namespace thex::protocol {

namespace {

std::vector<std::size_t> sizes_of(const ckks::Context& context, const std::vector<circuit::Travelling>& ciphertexts,
                                  bool seeded) {
  std::vector<std::size_t> sizes;
  for (const circuit::Travelling& c : ciphertexts) sizes.push_back(ckks::ciphertext_bytes(context, c.level, seeded));
  return sizes;
}

}  // namespace

std::vector<std::size_t> fresh_sizes(const encoder::InferencePlan& plan, std::size_t bucket, std::size_t step) {
  const circuit::Plan& p = plan.plan;
  return sizes_of(*p.context, circuit::to_server(*p.context, p.programs.at(bucket), p.program_plans.at(bucket), step),
                  true);
}

std::vector<std::size_t> step_sizes(const encoder::InferencePlan& plan, std::size_t bucket, std::size_t step) {
  const circuit::Plan& p = plan.plan;
  return sizes_of(*p.context, circuit::to_client(*p.context, p.programs.at(bucket), p.program_plans.at(bucket), step),
                  false);
}

std::size_t message_bytes(const std::vector<std::size_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), kCiphertextsHeadBytes);
}

std::size_t max_query_bytes(const encoder::InferencePlan& plan) {
  std::size_t most = 0;
  for (std::size_t b = 0; b < plan.shapes.size(); ++b) most = std::max(most, message_bytes(fresh_sizes(plan, b, 0)));
  return most;
}

std::size_t key_bytes(const encoder::InferencePlan& plan) {
  return ckks::evaluation_keys_bytes(*plan.plan.context, plan.plan.keys);
}

}  // namespace thex::protocol
