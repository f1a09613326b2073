#include "thex/encoder/serving_memory.h"

#include "thex/base/machine_threads.h"
#include "thex/base/memory.h"
#include "thex/circuit/accounting.h"

namespace thex::encoder {
namespace {

constexpr std::size_t kShareOfKeptWeights = 3;

}  // namespace

std::vector<CircuitMemory> circuit_memory(const InferencePlan& plan, std::size_t limit) {
  const circuit::Plan& circuits = plan.circuits;
  std::vector<CircuitMemory> all;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < circuits.programs.size(); ++i) {
    const circuit::Program& program = circuits.programs[i];
    const circuit::ProgramPlan& levels = circuits.program_plans[i];
    CircuitMemory one{.weight_bytes = circuit::plaintext_bytes(program, levels, circuits.spec)};
    one.keeps_weights = kept + one.weight_bytes <= limit / kShareOfKeptWeights;
    if (one.keeps_weights)
      kept += one.weight_bytes;
    else
      one.encoding_bytes = circuit::largest_group_bytes(program, levels, circuits.spec);
    one.working_bytes = levels.working_bytes + one.encoding_bytes;
    one.thread_bytes = levels.thread_bytes + one.encoding_bytes;
    all.push_back(one);
  }
  return all;
}

std::size_t peak_memory(const model::ModelConfig& config, const InferencePlan& plan,
                        const std::vector<CircuitMemory>& circuits, int threads) {
  std::size_t kept = 0, largest = 0;
  for (std::size_t i = 0; i < circuits.size(); ++i) {
    const circuit::ProgramPlan& program = plan.circuits.program_plans[i];
    if (circuits[i].keeps_weights) kept += circuits[i].weight_bytes;
    largest = std::max(largest, circuits[i].run_bytes(threads) + program.bytes_to_server + program.bytes_to_client);
  }
  const std::size_t loaded = model::parameter_count(config, model::Part::server) * sizeof(float);
  return kProcessBytes + loaded + plan.circuits.key_bytes_memory + kept + largest;
}

std::size_t peak_memory_here(const model::ModelConfig& config, const InferencePlan& plan) {
  return peak_memory(config, plan, circuit_memory(plan, machine_memory_bytes() / 2), machine_threads());
}

}  // namespace thex::encoder
