#include "thex/protocol/message_sizes.h"

#include <algorithm>
#include <numeric>

#include "thex/ckks/serialization.h"
#include "thex/protocol/messages.h"

namespace thex::protocol {

namespace {

std::vector<std::size_t> sizes_of(const ckks::Context& context, const std::vector<circuit::Travelling>& ciphertexts,
                                  std::size_t (*bytes)(const ckks::Context&, const circuit::Travelling&)) {
  std::vector<std::size_t> sizes;
  for (const circuit::Travelling& c : ciphertexts) sizes.push_back(bytes(context, c));
  return sizes;
}

}  // namespace

std::vector<std::size_t> fresh_sizes(const encoder::InferencePlan& plan, std::size_t program, std::size_t step) {
  const circuit::Plan& p = plan.circuits;
  return sizes_of(*p.context, circuit::to_server(p.programs.at(program), p.program_plans.at(program), step),
                  circuit::bytes_to_server);
}

std::vector<std::size_t> step_sizes(const encoder::InferencePlan& plan, std::size_t program, std::size_t step) {
  const circuit::Plan& p = plan.circuits;
  return sizes_of(*p.context, circuit::to_client(p.programs.at(program), p.program_plans.at(program), step),
                  circuit::bytes_to_client);
}

std::size_t message_bytes(const std::vector<std::size_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), kCiphertextsHeadBytes);
}

std::size_t max_query_bytes(const encoder::InferencePlan& plan) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < plan.shapes.size(); ++i) most = std::max(most, message_bytes(fresh_sizes(plan, i, 0)));
  return most;
}

std::size_t key_bytes(const encoder::InferencePlan& plan) {
  return ckks::evaluation_keys_bytes(*plan.circuits.context, plan.circuits.keys);
}

}  // namespace thex::protocol
