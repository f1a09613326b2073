#include "thex/circuit/answers.h"

#include <sodium.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "thex/ckks/rerandomise.h"

namespace thex::circuit {

std::vector<ckks::Ciphertext> finish_results(const ckks::Evaluator& evaluator, const Program& program,
                                             const ProgramPlan& plan, std::vector<ckks::Ciphertext> results,
                                             const ckks::EvaluationKeys& keys, const ckks::Binding& binding,
                                             ring::Prng& prng) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (plan.hiding) {
      results[i] = ckks::hide_answer(evaluator, results[i], keys, *plan.hiding, binding, i, prng);
    } else if (program.steps.size() > 1) {
      ckks::rerandomise(evaluator.context(), results[i], keys, 1, prng);
    }
  }
  return results;
}

AnswerFinisher::AnswerFinisher() : secret_(ring::random_seed()) {}

AnswerFinisher::~AnswerFinisher() { sodium_memzero(secret_.data(), secret_.size()); }

std::vector<ckks::Ciphertext> AnswerFinisher::finish(const ckks::Evaluator& evaluator, const Program& program,
                                                     const ProgramPlan& plan, std::vector<ckks::Ciphertext> results,
                                                     const ckks::EvaluationKeys& keys,
                                                     const ckks::Binding& binding) const {
  if (program.steps.size() > 1) {
    ring::Prng fresh;
    return finish_results(evaluator, program, plan, std::move(results), keys, binding, fresh);
  }
  ring::Seed seed;
  crypto_generichash(seed.data(), seed.size(), binding.data(), binding.size(), secret_.data(), secret_.size());
  ring::Prng prng(seed);
  sodium_memzero(seed.data(), seed.size());
  return finish_results(evaluator, program, plan, std::move(results), keys, binding, prng);
}

namespace {

// Binds or unbinds, as `change` says, all that goes to the client in a step, unless it is a hidden result.
std::vector<ckks::Ciphertext> change_bound(const ckks::Context& context, const Program& program,
                                           const ProgramPlan& plan, std::size_t step,
                                           std::vector<ckks::Ciphertext> ciphertexts, const ckks::Binding& binding,
                                           decltype(ckks::bind_ciphertext)* change) {
  if (plan.hiding && step == program.steps.size()) return ciphertexts;
  for (std::size_t i = 0; i < ciphertexts.size(); ++i)
    ciphertexts[i] = change(context, std::move(ciphertexts[i]), binding, std::uint64_t{step} << 32 | i);
  return ciphertexts;
}

}  // namespace

std::vector<ckks::Ciphertext> bind_to_query(const ckks::Context& context, const Program& program,
                                            const ProgramPlan& plan, std::size_t step,
                                            std::vector<ckks::Ciphertext> ciphertexts, const ckks::Binding& binding) {
  return change_bound(context, program, plan, step, std::move(ciphertexts), binding, ckks::bind_ciphertext);
}

std::vector<ckks::Ciphertext> unbind_from_query(const ckks::Context& context, const Program& program,
                                                const ProgramPlan& plan, std::size_t step,
                                                std::vector<ckks::Ciphertext> ciphertexts,
                                                const ckks::Binding& binding) {
  return change_bound(context, program, plan, step, std::move(ciphertexts), binding, ckks::unbind_ciphertext);
}

double agreement_bound(const ckks::Context& context, const ProgramPlan& plan) {
  const double flood = plan.hiding ? ckks::flood_deviation(context.scale(0), *plan.hiding) : 0;
  const double noise = plan.result_bits ? std::exp2(-*plan.result_bits) : 0;
  return 9 * std::hypot(flood, noise);
}

double largest_result(const ckks::Context& context, const ProgramPlan& plan) {
  const double half = static_cast<double>(context.prime(ckks::Level(0).top()).value()) / 2 / context.scale(0);
  return plan.hiding ? half / std::numbers::sqrt2 : half;  // (1 + i) r has coefficients up to sqrt(2) |r|
}

}  // namespace thex::circuit
