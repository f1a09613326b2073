#include "thex/circuit/run/ckks_run.h"

#include <atomic>
#include <cmath>
#include <mutex>
#include <string>
#include <utility>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/circuit/run/scheduler.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/linear_transform.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/ckks/rerandomise.h"
#include "thex/ckks/sum_of_rotations.h"

namespace thex::circuit {
namespace {

using ckks::Ciphertext;
using ckks::Plaintext;
using Kind = TaskGraph::Kind;
using Task = TaskGraph::Task;

// Refuses what the client sent when it is not what the plan says, and sets the scales that it says.
void check_fresh(const ckks::Context& context, const std::string& label, const std::vector<Travelling>& expected,
                 std::vector<Ciphertext>& fresh) {
  if (fresh.size() != expected.size())
    throw Error(ErrorCode::protocol, "client step '" + label + "' returned " + std::to_string(fresh.size()) +
                                         " ciphertexts, expected " + std::to_string(expected.size()));
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const Travelling& t = expected[i];
    const double scale = context.scale(t.scale_level);
    Ciphertext& c = fresh[i];
    if (c.level != t.level || c.parts.size() != 2 || !ckks::same_scale(scale, c.scale))
      throw Error(ErrorCode::protocol, "fresh ciphertext " + std::to_string(i) + " of '" + label + "' has level " +
                                           to_string(c.level) + " and scale 2^" + std::to_string(std::log2(c.scale)) +
                                           "; the plan says level " + to_string(t.level) + " and scale 2^" +
                                           std::to_string(std::log2(scale)));
    c.scale = scale;
  }
}

}  // namespace

struct CkksRun::Impl {
  const std::shared_ptr<const CkksCircuit> circuit;
  const std::shared_ptr<const ckks::EvaluationKeys> keys;
  RunProfile* const profile;
  const ckks::Context& context;
  const Program& program;
  const ProgramPlan& plan;
  const TaskGraph& graph;
  const ckks::Evaluator evaluator;
  Scheduler scheduler;

  // A value is written by one task and read by those that come after it; the last one gives its memory back.
  std::vector<Ciphertext> values;
  std::vector<std::atomic<int>> uses;
  std::vector<ckks::Decomposition> digits;
  std::vector<std::atomic<int>> digit_uses;

  // Between the threads that supply and those that advance.
  enum class Step { unasked, asked, answered };
  std::mutex mutex;
  std::vector<Step> steps;
  std::vector<std::vector<Ciphertext>> supplied;  // per step
  std::vector<std::vector<ring::Poly>> masks;     // per step: of what was sent under a mask
  bool finished = false;

  Impl(std::shared_ptr<const CkksCircuit> c, std::shared_ptr<const ckks::EvaluationKeys> k, RunProfile* p)
      : circuit(std::move(c)),
        keys(std::move(k)),
        profile(p),
        context(*circuit->context()),
        program(circuit->program()),
        plan(circuit->plan()),
        graph(circuit->graph()),
        evaluator(circuit->context()),
        scheduler(graph.order),
        values(graph.value_uses.size()),
        uses(graph.value_uses.size()),
        digits(graph.digit_uses.size()),
        digit_uses(graph.digit_uses.size()),
        steps(program.steps.size(), Step::unasked),
        supplied(program.steps.size()),
        masks(program.steps.size()) {
    for (std::size_t i = 0; i < uses.size(); ++i) uses[i] = graph.value_uses[i];
    for (std::size_t i = 0; i < digit_uses.size(); ++i) digit_uses[i] = graph.digit_uses[i];
    if (!steps.empty()) steps[0] = Step::asked;
  }

  void supply(std::size_t step, std::vector<Ciphertext> fresh) {
    if (step >= graph.from_client.size())
      throw Error(ErrorCode::protocol, "an answer to client step " + std::to_string(step) + ", there are " +
                                           std::to_string(graph.from_client.size()));
    check_fresh(context, program.steps[step].label, to_server(program, plan, step), fresh);
    {
      const std::lock_guard lock(mutex);
      if (steps[step] != Step::asked)
        throw Error(ErrorCode::protocol,
                    "an answer to client step '" + program.steps[step].label + "', which " +
                        (steps[step] == Step::unasked ? "was not asked for" : "was answered before"));
      steps[step] = Step::answered;
      supplied[step] = std::move(fresh);
    }
    scheduler.open(graph.from_client[step]);
  }

  void release(const std::vector<std::size_t>& read) {
    for (const std::size_t value : read)
      if (--uses[value] == 0) values[value] = Ciphertext{};
  }

  void send(const Task& task, const OnStep& on_step) {
    const std::size_t step = task.index;
    const std::vector<Travelling> travelling = to_client(program, plan, step);
    std::vector<Ciphertext> sent;
    for (std::size_t i = 0; i < travelling.size(); ++i) {
      const Ciphertext& value = values[task.reads[i]];
      ring::Prng prng;
      if (!travelling[i].masked) {
        // Beside what the client is to read, the second half would say more about the weights.
        sent.push_back(value);
        ckks::rerandomise(context, sent.back(), *keys, 1, prng);
        continue;
      }
      const NodeId refreshed = program.steps[step].refreshed[masks[step].size()];
      ckks::MaskedValue m = ckks::mask_for_refresh(context, value, plan.level[refreshed], *keys, prng);
      sent.push_back(std::move(m.masked));
      masks[step].push_back(std::move(m.mask));
    }
    release(task.reads);
    {
      const std::lock_guard lock(mutex);
      steps[step] = Step::asked;
    }
    on_step(step, std::move(sent));
  }

  void receive(const Task& task) {
    const std::size_t step = task.index, readable = program.steps[step].outputs.size();
    std::vector<Ciphertext> fresh;
    {
      const std::lock_guard lock(mutex);
      fresh = std::move(supplied[step]);
    }
    for (std::size_t i = 0; i < fresh.size(); ++i)
      values[task.writes[i]] =
          i < readable ? std::move(fresh[i]) : ckks::unmask(context, std::move(fresh[i]), masks[step][i - readable]);
    masks[step].clear();
  }

  // Scales are canonical by construction; setting them removes the rounding of doubles.
  void store(std::size_t id, Ciphertext c) {
    c.scale = context.scale(plan.scale_level[id]);
    values[id] = std::move(c);
  }

  std::vector<const Ciphertext*> pointers(const Task& task) const {
    std::vector<const Ciphertext*> list;
    for (const std::size_t value : task.reads) list.push_back(&values[value]);
    return list;
  }

  Ciphertext rotate(const Task& task, int by) {
    const Ciphertext& input = values[task.reads[0]];
    if (task.digits == TaskGraph::kNone) return evaluator.rotate(input, by, *keys);
    Ciphertext rotated = evaluator.rotate_hoisted(input, digits[task.digits], by, *keys);
    if (--digit_uses[task.digits] == 0) digits[task.digits] = {};
    return rotated;
  }

  Ciphertext evaluate(const Task& task, const ParallelFor& parallel) {
    const Node& node = program.nodes[task.index];
    const auto& plains = circuit->plains().of_node[task.index];
    const auto in = [&](std::size_t k) -> const Ciphertext& { return values[task.reads[k]]; };
    switch (node.op) {
      case Op::rotate:
        return rotate(task, node.steps);
      case Op::add:
        return evaluator.add(in(0), in(1));
      case Op::subtract:
        return evaluator.sub(in(0), in(1));
      case Op::multiply_integer:
        return evaluator.mul_scalar(in(0), node.factor, 1.0);
      case Op::multiply_i:
        return evaluator.multiply_i(in(0));
      case Op::conjugate:
        return evaluator.conjugate(in(0), *keys);
      case Op::twice_real:
        return evaluator.add(in(0), in(1));
      case Op::twice_imaginary:  // (z - conj z) / i
        return evaluator.multiply_i(evaluator.sub(in(1), in(0)));
      case Op::add_plain:
        return evaluator.add_plain(in(0), *plains[0]);
      case Op::weighted_sum: {
        std::vector<const Plaintext*> factors;
        for (const auto& plain : plains) factors.push_back(plain.get());
        return evaluator.rescale(evaluator.inner_product_plain(pointers(task), factors));
      }
      case Op::product_sum: {
        std::vector<const Ciphertext*> a, b;
        for (std::size_t k = 0; k < task.reads.size(); k += 2) {
          a.push_back(&in(k));
          b.push_back(&in(k + 1));
        }
        return evaluator.relinearize_rescale(evaluator.inner_product(a, b), *keys);
      }
      case Op::rotation_sum:
        return ckks::sum_of_rotations(context, pointers(task), node.rotations, *keys, parallel);
      case Op::linear_transform:  // in groups
      case Op::fresh:
      case Op::refresh:
        break;
    }
    throw Error(ErrorCode::internal, "a value from the client is not computed here");
  }

  void compute(const Task& task, const ParallelFor& parallel) {
    switch (task.kind) {
      case Kind::to_client:
      case Kind::from_client:
        return;
      case Kind::align:
        values[task.writes[0]] = evaluator.align_to(values[task.reads[0]], task.level);
        break;
      case Kind::drop:
        values[task.writes[0]] = evaluator.drop_to(values[task.reads[0]], task.level);
        break;
      case Kind::decompose:
        digits[task.index] = evaluator.decompose(values[task.reads[0]]);
        break;
      case Kind::node:
        store(task.index, evaluate(task, parallel));
        break;
      case Kind::transform: {
        EncodedGroup encoded_now;
        std::vector<Ciphertext> results = ckks::linear_transforms(
            context, pointers(task), circuit->transforms(task.index, encoded_now, parallel), *keys, parallel);
        for (std::size_t t = 0; t < results.size(); ++t) store(task.writes[t], std::move(results[t]));
        break;
      }
    }
    release(task.reads);
  }

  void execute(const Task& task, const ParallelFor& parallel, const OnStep& on_step) {
    if (task.kind == Kind::to_client) return send(task, on_step);
    if (task.kind == Kind::from_client) return receive(task);
    const auto start = Clock::now();
    compute(task, parallel);
    if (profile) profile->add(program, task, seconds_since(start));
  }
};

CkksRun::CkksRun(std::shared_ptr<const CkksCircuit> circuit, std::shared_ptr<const ckks::EvaluationKeys> keys,
                 RunProfile* profile)
    : impl_(std::make_unique<Impl>(std::move(circuit), std::move(keys), profile)) {}
CkksRun::~CkksRun() = default;

void CkksRun::supply(std::size_t step, std::vector<Ciphertext> fresh) { impl_->supply(step, std::move(fresh)); }

bool CkksRun::runnable() const { return impl_->scheduler.runnable(); }

CkksRun::State CkksRun::advance(int threads, const OnStep& on_step, std::stop_token stop) {
  const auto body = [&](std::size_t task, const ParallelFor& parallel) {
    impl_->execute(impl_->graph.tasks[task], parallel, on_step);
  };
  impl_->finished = impl_->scheduler.advance(threads, body, std::move(stop)) == Scheduler::State::finished;
  return impl_->finished ? State::finished : State::waiting;
}

std::vector<Ciphertext> CkksRun::take_results() {
  if (!impl_->finished) throw Error(ErrorCode::internal, "the results of a run that has not finished, or were taken");
  impl_->finished = false;
  std::vector<Ciphertext> results;
  for (const std::size_t value : impl_->graph.results) results.push_back(impl_->values[value]);
  for (const std::size_t value : impl_->graph.results) impl_->values[value] = {};
  return results;
}

std::vector<Ciphertext> run_with_client(std::shared_ptr<const CkksCircuit> circuit,
                                        std::shared_ptr<const ckks::EvaluationKeys> keys,
                                        std::vector<Ciphertext> inputs, const Exchange& exchange, int threads,
                                        RunProfile* profile) {
  CkksRun run(std::move(circuit), std::move(keys), profile);
  run.supply(0, std::move(inputs));
  const CkksRun::OnStep on_step = [&](std::size_t step, std::vector<Ciphertext> sent) {
    run.supply(step, exchange(step, std::move(sent)));
  };
  run.advance(threads, on_step);
  return run.take_results();
}

}  // namespace thex::circuit
