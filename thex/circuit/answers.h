// What goes to the client: what the server does to it on its way, and how far the client believes it.
#pragma once

#include <vector>

#include "thex/circuit/plan.h"
#include "thex/circuit/program.h"
#include "thex/ckks/answer.h"

namespace thex::circuit {

// Hides the results of a run as planned; where the plan does not hide them and the client takes turns, they are
// re-randomised like everything else that it is sent. All randomness comes from `prng`. Throws Error(crypto),
// Error(keys).
std::vector<ckks::Ciphertext> finish_results(const ckks::Evaluator& evaluator, const Program& program,
                                             const ProgramPlan& plan, std::vector<ckks::Ciphertext> results,
                                             const ckks::EvaluationKeys& keys, const ckks::Binding& binding,
                                             ring::Prng& prng);

// The same with randomness that follows from the query, where its result does: a keyed hash (BLAKE2b) of its binding
// under a secret of this object, so that a query that is repeated to the letter gets the same answer to the letter, and
// its flood cannot be averaged. Where the client takes turns the randomness is fresh: what it answers, and masks,
// change the result, and two results of one query under the same cover would show their difference. For the same reason
// one object serves one set of weights. Safe to share between threads.
class AnswerFinisher {
 public:
  AnswerFinisher();  // a fresh secret
  explicit AnswerFinisher(const ring::Seed& secret) : secret_(secret) {}
  ~AnswerFinisher();  // wipes it
  AnswerFinisher(const AnswerFinisher&) = delete;
  AnswerFinisher& operator=(const AnswerFinisher&) = delete;

  std::vector<ckks::Ciphertext> finish(const ckks::Evaluator& evaluator, const Program& program,
                                       const ProgramPlan& plan, std::vector<ckks::Ciphertext> results,
                                       const ckks::EvaluationKeys& keys, const ckks::Binding& binding) const;

 private:
  ring::Seed secret_;
};

// What the server sends to the client in step `step` of a program (the number of steps: the results), tied to the query
// (ckks/binding.h); and what the client does first with what it receives. Hidden results are tied to it already, by
// finish_results, and come back as they are. Both throw Error(crypto) for ciphertexts that are not of two parts.
std::vector<ckks::Ciphertext> bind_to_query(const ckks::Context& context, const Program& program,
                                            const ProgramPlan& plan, std::size_t step,
                                            std::vector<ckks::Ciphertext> ciphertexts, const ckks::Binding& binding);
std::vector<ckks::Ciphertext> unbind_from_query(const ckks::Context& context, const Program& program,
                                                const ProgramPlan& plan, std::size_t step,
                                                std::vector<ckks::Ciphertext> ciphertexts,
                                                const ckks::Binding& binding);

// Half the difference of the two copies of an honest value stays below it: nine deviations of flood and predicted noise
// together. The flood is a sum of uniform integers, so it exceeds nine of its deviations with probability below
// 2 exp(-9^2 / 2) = 2^-57 (Hoeffding); in eight results of 2^14 values, below 2^-40.
double agreement_bound(const ckks::Context& context, const ProgramPlan& plan);

// Values of a result beyond it, of either sign, come back as others.
double largest_result(const ckks::Context& context, const ProgramPlan& plan);

}  // namespace thex::circuit
