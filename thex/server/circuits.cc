#include "thex/server/circuits.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "thex/base/clock.h"

namespace thex::server {
Circuits::Circuits(std::shared_ptr<const model::Model> model, const encoder::PlanRequest& request, Budget budget,
                   Log log)
    : model_(std::move(model)),
      plan_(encoder::plan_inference(model_, request)),
      plan_fingerprint_(protocol::fingerprint(plan_)),
      evaluator_(plan_.circuits.context),
      weights_(std::make_shared<circuit::PlaintextStore>(plan_.circuits.context)),
      log_(std::move(log)),
      circuit_memory_(encoder::circuit_memory(plan_, budget.limit())),
      memory_(budget.charge(Use::weights, 0)) {
  for (std::size_t i = 0; i < plan_.shapes.size(); ++i) entries_.push_back(std::make_unique<Entry>());
}

std::shared_ptr<const circuit::CkksCircuit> Circuits::prepared(std::size_t index) {
  Entry& entry = *entries_.at(index);
  const std::lock_guard lock(entry.mutex);
  if (!entry.circuit) {
    const auto start = Clock::now();
    entry.circuit = std::make_shared<const circuit::CkksCircuit>(
        plan_.circuits.context, plan_.circuits.programs[index], plan_.circuits.program_plans[index], weights_,
        circuit_memory_[index].keeps_weights ? circuit::Encoding::ahead : circuit::Encoding::while_running);
    std::size_t bytes;
    {
      const std::lock_guard memory_lock(memory_mutex_);
      bytes = weights_->bytes();
      memory_.settle(bytes);
    }
    if (log_) {
      log_(LogLevel::info,
           fmt::format(
               "prepared the circuit for {}: {:.1f} MB of weights ({:.1f} MB for all lengths so far) in {:.2f} s",
               encoder::to_string(plan_.shapes[index]), static_cast<double>(entry.circuit->plaintext_bytes()) / 1e6,
               static_cast<double>(bytes) / 1e6, seconds_since(start)));
    }
  }
  return entry.circuit;
}

std::vector<ckks::Ciphertext> Circuits::finish(std::size_t index, std::vector<ckks::Ciphertext> results,
                                               const ckks::EvaluationKeys& keys, const ckks::Binding& binding) const {
  return finisher_.finish(evaluator_, plan_.circuits.programs.at(index), plan_.circuits.program_plans.at(index),
                          std::move(results), keys, binding);
}

std::vector<ckks::Ciphertext> Circuits::bind_to_query(std::size_t index, std::size_t step,
                                                      std::vector<ckks::Ciphertext> ciphertexts,
                                                      const ckks::Binding& binding) const {
  return circuit::bind_to_query(*plan_.circuits.context, plan_.circuits.programs.at(index),
                                plan_.circuits.program_plans.at(index), step, std::move(ciphertexts), binding);
}

std::size_t Circuits::working_bytes(std::size_t index, int threads) const {
  return circuit_memory_.at(index).run_bytes(threads);
}

std::size_t Circuits::kept_weight_bytes() const {
  std::size_t sum = 0;
  for (const encoder::CircuitMemory& one : circuit_memory_) sum += one.keeps_weights ? one.weight_bytes : 0;
  return sum;
}

std::size_t Circuits::weight_bytes() const { return weights_->bytes(); }

}  // namespace thex::server
