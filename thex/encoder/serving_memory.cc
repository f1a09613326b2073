#include "thex/encoder/serving_memory.h"

#include <thread>

#include "thex/base/memory.h"
#include "thex/circuit/accounting.h"

namespace thex::encoder {
namespace {

constexpr std::size_t kShareOfKeptWeights = 3;

// Single precision.
std::size_t loaded_bytes(const model::ModelConfig& config) {
  std::size_t sum = 0;
  for (const auto& [name, shape] : model::expected_tensors(config, model::Part::server)) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    sum += count * sizeof(float);
  }
  return sum;
}

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
  return kProcessBytes + loaded_bytes(config) + plan.circuits.key_bytes_memory + kept + largest;
}

std::size_t peak_memory_here(const model::ModelConfig& config, const InferencePlan& plan) {
  const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return peak_memory(config, plan, circuit_memory(plan, machine_memory_bytes() / 2), threads);
}

}  // namespace thex::encoder
