// The ckks interpreter: one query on a prepared circuit, on several threads, in the order of urgency.
//
// A run goes as far as it can without the client and returns; while the client thinks it holds values and no thread. It
// needs evaluation keys only; nothing here can decrypt.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "thex/circuit/run/ckks_circuit.h"
#include "thex/circuit/run/profile.h"
#include "thex/ckks/ciphertext.h"
#include "thex/ckks/keys.h"

namespace thex::circuit {

class CkksRun {
 public:
  enum class State {
    waiting,   // for what the client answers to a step
    finished,  // take_results() has the results
  };
  // Gets the ciphertexts of a client step, in the order of to_client() (plan.h). Called from a thread of advance(), for
  // one step after the other; the other threads go on meanwhile. May call supply(). What it throws ends the run.
  using OnStep = std::function<void(std::size_t step, std::vector<ckks::Ciphertext> ciphertexts)>;

  // `profile`, when given, must outlive the run.
  CkksRun(std::shared_ptr<const CkksCircuit> circuit, std::shared_ptr<const ckks::EvaluationKeys> keys,
          RunProfile* profile = nullptr);
  ~CkksRun();
  CkksRun(const CkksRun&) = delete;
  CkksRun& operator=(const CkksRun&) = delete;

  // What the client sent after a step, in the order of to_server() (plan.h), from any thread; step 0 comes first, a
  // later one after on_step had it. An advance() that runs takes it up at once. Throws Error(protocol), and the run is
  // as before, when the step was not asked for or is there already, or when number, levels or scales are not the
  // plan's.
  void supply(std::size_t step, std::vector<ckks::Ciphertext> fresh);

  // Whether advance() would find work to do: who calls supply() and who calls advance() decide by it whether another
  // advance() is due, since one that is about to return may miss what is supplied at that moment.
  bool runnable() const;

  // Works until only the client can move the run on, or until the results are there. `threads` >= 1 counts the calling
  // thread; fewer do the work where the system has none to give. One call at a time, from any thread. Throws what a
  // task or on_step threw, and Error(cancelled) soon after `stop` is requested (at the next piece of a task); the run
  // is over then, and every further call throws the same.
  State advance(int threads, const OnStep& on_step, std::stop_token stop = {});

  // The encrypted results in the order of Program::results, once. Throws Error(internal) before the run has finished.
  std::vector<ckks::Ciphertext> take_results();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs a whole query with a client in the same process: `exchange` gets the ciphertexts of a step and returns the fresh
// ones; the thread that calls it waits. `inputs`: what the client sends first (step 0).
using Exchange = std::function<std::vector<ckks::Ciphertext>(std::size_t step, std::vector<ckks::Ciphertext> inputs)>;
std::vector<ckks::Ciphertext> run_with_client(std::shared_ptr<const CkksCircuit> circuit,
                                              std::shared_ptr<const ckks::EvaluationKeys> keys,
                                              std::vector<ckks::Ciphertext> inputs, const Exchange& exchange,
                                              int threads, RunProfile* profile = nullptr);

}  // namespace thex::circuit
