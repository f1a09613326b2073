#include "thex/circuit/ckks_executor.h"

#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <utility>

#include "thex/base/error.h"
#include "thex/circuit/fusion.h"
#include "thex/circuit/scheduler.h"
#include "thex/ckks/linear_transform.h"
#include "thex/ckks/masked_refresh.h"

namespace thex::circuit {
namespace {

using ckks::Ciphertext;
using ckks::Plaintext;

// What one task does. `value` numbers index the run's values: nodes first, then derived values.
enum class Kind {
  node,       // evaluate node `index`
  align,      // value `target` = value `source` at `level` and its canonical scale
  drop,       // value `target` = value `source` at `level`, scale kept
  decompose,  // decomposition `index` of value `source`
  transform,  // group `index` of linear transforms
  sum,        // rotation sum `index`
  exchange,   // client step `index`
};

struct TaskSpec {
  Kind kind;
  std::size_t index = 0, source = 0, target = 0;
  int level = 0;
  int urgency = 0;
  std::vector<std::size_t> after;
};

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

}  // namespace

struct CkksExecutor::Impl {
  ckks::ContextPtr context;
  const Program& program;
  const ProgramPlan& plan;
  ckks::Evaluator evaluator;
  const std::shared_ptr<PlaintextStore> plaintext_store;

  std::vector<TaskSpec> tasks;
  std::vector<std::size_t> task_of_value;  // kNone: given at the start
  Fusion fusion;
  std::vector<std::vector<std::size_t>> operands;              // per node: the values that it reads
  std::vector<std::vector<std::size_t>> group_operands;        // per transform group
  std::vector<std::vector<ckks::LinearTransform>> transforms;  // per transform group
  std::vector<std::vector<std::size_t>> exchange_operands;     // per client step: the values that travel to the client
  std::vector<std::size_t> result_values;
  std::vector<std::size_t> decomposition_of;  // per rotate node: kNone or its hoisting group
  std::size_t decompositions = 0;
  std::vector<int> value_uses, decomposition_uses;
  std::vector<std::vector<std::shared_ptr<const Plaintext>>> plaintexts;  // per node
  std::vector<std::shared_ptr<const Plaintext>> kept;                     // of the transforms
  std::size_t plaintext_bytes = 0;

  Impl(ckks::ContextPtr ctx, const Program& p, const ProgramPlan& pl, std::shared_ptr<PlaintextStore> store)
      : context(ctx),
        program(p),
        plan(pl),
        evaluator(ctx),
        plaintext_store(store ? std::move(store) : std::make_shared<PlaintextStore>(ctx)),
        fusion(find_fusion(p, pl.level)),
        operands(p.nodes.size()),
        decomposition_of(p.nodes.size(), kNone),
        plaintexts(p.nodes.size()) {
    task_of_value.assign(program.nodes.size(), kNone);
    value_uses.assign(program.nodes.size(), 0);
    build_tasks();
    encode_plaintexts();
  }

  static std::size_t index(NodeId id) { return static_cast<std::size_t>(id); }

  // --- The task graph
  // -------------------------------------------------------------------------------------------------

  std::map<std::tuple<std::size_t, int, bool>, std::size_t> derived;  // (value, level, drop) -> derived value

  void depend(TaskSpec& task, std::size_t value) {
    if (task_of_value[value] != kNone) task.after.push_back(task_of_value[value]);
  }

  // The value holding `node` at `level`: itself when it is planned there, else a shared lowered copy.
  std::size_t at_level(NodeId node, int level, bool keep_scale, int urgency) {
    const std::size_t source = index(node);
    if (plan.level[source] == level) return source;
    const auto [it, inserted] = derived.try_emplace({source, level, keep_scale}, value_uses.size());
    if (inserted) {
      TaskSpec task{.kind = keep_scale ? Kind::drop : Kind::align,
                    .index = source,
                    .source = source,
                    .target = it->second,
                    .level = level,
                    .urgency = urgency};
      depend(task, source);
      value_uses.push_back(0);
      ++value_uses[source];
      task_of_value.push_back(tasks.size());
      tasks.push_back(std::move(task));
    }
    return it->second;
  }

  void read(TaskSpec& task, const std::vector<std::size_t>& values) {
    for (std::size_t value : values) {
      depend(task, value);
      ++value_uses[value];
    }
  }

  // The task of a transform group, as urgent as its most urgent result.
  std::size_t add_group(std::size_t g) {
    const TransformGroup& group = fusion.groups[g];
    TaskSpec task{.kind = Kind::transform, .index = g, .urgency = std::numeric_limits<int>::max()};
    for (const std::size_t t : group.transforms)
      task.urgency = std::min(task.urgency, plan.urgency[index(program.transforms[t].output)]);
    task.target = index(program.transforms[group.transforms[0]].output);
    for (NodeId input : program.transforms[group.transforms[0]].inputs)
      group_operands[g].push_back(at_level(input, group.level, true, task.urgency));
    read(task, group_operands[g]);
    tasks.push_back(std::move(task));
    return tasks.size() - 1;
  }

  void build_tasks() {
    std::map<std::pair<NodeId, int>, int> group_size;
    for (std::size_t id = 0; id < program.nodes.size(); ++id)
      if (program.nodes[id].op == Op::rotate && fusion.nodes[id].how == Fusion::How::alone)
        ++group_size[{program.nodes[id].inputs[0], plan.level[id]}];
    std::map<std::pair<std::size_t, int>, std::pair<std::size_t, std::size_t>> groups;  // (value, level) -> group, task
    std::size_t last_exchange = kNone, next_step = 1;
    std::vector<std::size_t> task_of_group(fusion.groups.size(), kNone);
    group_operands.resize(fusion.groups.size());

    for (std::size_t id = 0; id < program.nodes.size(); ++id) {
      const Node& node = program.nodes[id];
      const int urgency = plan.urgency[id];
      if (node.op == Op::fresh || node.op == Op::refreshed) {
        for (; next_step <= static_cast<std::size_t>(node.step); ++next_step) {
          exchange_operands.resize(next_step + 1);
          std::vector<std::size_t>& values = exchange_operands[next_step];
          for (const Travelling& t : to_client(*context, program, plan, next_step))
            values.push_back(at_level(t.node, t.level, false, -1));
          TaskSpec task{.kind = Kind::exchange, .index = next_step, .urgency = -1};
          for (std::size_t value : values) {
            depend(task, value);
            ++value_uses[value];
          }
          if (last_exchange != kNone) task.after.push_back(last_exchange);
          last_exchange = tasks.size();
          tasks.push_back(std::move(task));
        }
        if (node.step > 0) task_of_value[id] = last_exchange;
        continue;
      }
      const Fusion::Item item = fusion.nodes[id];
      if (item.how == Fusion::How::unused) continue;
      if (item.how == Fusion::How::transform) {
        if (task_of_group[item.index] == kNone) task_of_group[item.index] = add_group(item.index);
        task_of_value[id] = task_of_group[item.index];
        continue;
      }
      if (item.how == Fusion::How::sum) {
        TaskSpec task{.kind = Kind::sum, .index = item.index, .target = id, .urgency = urgency};
        for (NodeId input : program.rotation_sums[item.index].inputs)
          operands[id].push_back(at_level(input, plan.level[id], false, urgency));
        read(task, operands[id]);
        task_of_value[id] = tasks.size();
        tasks.push_back(std::move(task));
        continue;
      }
      const int level = plan.level[id] + consumed_levels(node.op);
      for (NodeId input : node.inputs)
        operands[id].push_back(
            at_level(input, level, node.op == Op::weighted_sum || keeps_refresh_scale(program, input), urgency));
      TaskSpec task{.kind = Kind::node, .index = id, .urgency = urgency};
      read(task, operands[id]);
      if (node.op == Op::rotate && group_size.at({node.inputs[0], plan.level[id]}) > 1) {
        const std::size_t value = operands[id][0];
        const auto [it, inserted] =
            groups.try_emplace({value, plan.level[id]}, std::make_pair(decompositions, tasks.size()));
        if (inserted) {
          ++decompositions;
          decomposition_uses.push_back(0);
          TaskSpec d{.kind = Kind::decompose, .index = it->second.first, .source = value, .urgency = urgency};
          depend(d, value);
          ++value_uses[value];
          tasks.push_back(std::move(d));
        }
        decomposition_of[id] = it->second.first;
        ++decomposition_uses[it->second.first];
        task.after.push_back(it->second.second);
      }
      task_of_value[id] = tasks.size();
      tasks.push_back(std::move(task));
    }
    for (const Travelling& t : to_client(*context, program, plan, program.steps.size())) {
      result_values.push_back(at_level(t.node, t.level, false, plan.urgency[index(t.node)]));
      ++value_uses[result_values.back()];
    }
    derived.clear();
  }

  // --- Plaintexts
  // -----------------------------------------------------------------------------------------------------

  void encode_plaintexts() {
    std::map<PlainId, std::vector<double>> filled;
    std::map<std::tuple<PlainId, int, std::uint64_t, bool>, std::shared_ptr<const Plaintext>> encoded;
    std::set<const Plaintext*> distinct;
    const auto encode = [&](PlainId id, int level, double scale, bool extended) {
      auto& entry = encoded[{id, level, std::bit_cast<std::uint64_t>(scale), extended}];
      if (!entry) {
        const PlainVector& vector = program.plains[static_cast<std::size_t>(id)];
        std::vector<double>& values = filled[id];
        if (values.empty()) values = vector.values();
        entry = plaintext_store->get(values, vector.complex, level, scale, extended);
        if (distinct.insert(entry.get()).second) plaintext_bytes += bytes_of(*entry);
      }
      return entry;
    };
    // The plaintext's scale brings the product to the canonical scale, whatever level its factor came from.
    const auto factor_scale = [&](int level, NodeId factor) {
      const double dropped = static_cast<double>(context->prime(static_cast<std::size_t>(level) + 1).value());
      return context->scale(level) * dropped / value_scale(*context, program, plan, factor);
    };
    for (std::size_t id = 0; id < program.nodes.size(); ++id) {
      if (fusion.nodes[id].how != Fusion::How::alone) continue;
      const Node& node = program.nodes[id];
      const int level = plan.level[id];
      if (node.op == Op::add_plain)
        plaintexts[id].push_back(encode(node.plains[0], level, context->scale(level), false));
      if (node.op != Op::weighted_sum) continue;
      for (std::size_t k = 0; k < node.inputs.size(); ++k)
        plaintexts[id].push_back(encode(node.plains[k], level + 1, factor_scale(level, node.inputs[k]), false));
    }
    for (const TransformGroup& group : fusion.groups) {
      const bool extended = rotates(program, group);
      std::vector<ckks::LinearTransform>& list = transforms.emplace_back();
      for (const std::size_t t : group.transforms) {
        const FusedTransform& fused = program.transforms[t];
        ckks::LinearTransform& transform = list.emplace_back();
        transform.giant_step = fused.giant_step;
        for (const auto& [g, terms] : fused.at)
          for (const FusedTransform::Term& term : terms) {
            const double scale = factor_scale(group.level - 1, fused.inputs[term.input]);
            kept.push_back(encode(term.plain, group.level, scale, extended));
            transform.at[g].push_back({term.input, term.steps, kept.back().get()});
          }
      }
    }
  }

  // --- One run
  // --------------------------------------------------------------------------------------------------------

  struct Run {
    const ckks::EvaluationKeys& keys;
    const Exchange& exchange;
    std::vector<Ciphertext> values;
    std::vector<std::atomic<int>> uses;
    std::vector<ckks::Decomposition> digits;
    std::vector<std::atomic<int>> digit_uses;
    std::vector<NodeTime>* profile = nullptr;
    std::mutex profile_mutex;
    std::map<std::pair<std::string, Op>, NodeTime> times;

    Run(const Impl& impl, const ckks::EvaluationKeys& k, const Exchange& e)
        : keys(k),
          exchange(e),
          values(impl.value_uses.size()),
          uses(impl.value_uses.size()),
          digits(impl.decompositions),
          digit_uses(impl.decompositions) {
      for (std::size_t i = 0; i < uses.size(); ++i) uses[i] = impl.value_uses[i];
      for (std::size_t i = 0; i < digit_uses.size(); ++i) digit_uses[i] = impl.decomposition_uses[i];
    }
    void release(std::size_t value) {
      if (--uses[value] == 0) values[value] = Ciphertext{};
    }
  };

  // Takes what the client sent after a step; `masks` belong to the refreshed ones.
  void store_fresh(Run& run, std::size_t step, std::vector<Ciphertext> fresh,
                   const std::vector<ring::Poly>& masks) const {
    const std::string& label = program.steps[step].label;
    const std::vector<Travelling> expected = to_server(*context, program, plan, step);
    if (fresh.size() != expected.size())
      throw Error(ErrorCode::protocol, "client step '" + label + "' returned " + std::to_string(fresh.size()) +
                                           " ciphertexts, expected " + std::to_string(expected.size()));
    std::size_t next_mask = 0;
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      const Travelling& t = expected[i];
      Ciphertext& c = fresh[i];
      if (c.level != t.level || c.parts.size() != 2 || !(std::abs(c.scale - t.scale) <= t.scale * 0x1p-30))
        throw Error(ErrorCode::protocol, "fresh ciphertext " + std::to_string(i) + " of '" + label + "' has level " +
                                             std::to_string(c.level) + " and scale 2^" +
                                             std::to_string(std::log2(c.scale)) + "; the plan says level " +
                                             std::to_string(t.level) + " and scale 2^" +
                                             std::to_string(std::log2(t.scale)));
      c.scale = t.scale;
      run.values[index(t.node)] = t.masked ? ckks::unmask(*context, std::move(c), masks[next_mask++]) : std::move(c);
    }
  }

  void exchange(Run& run, std::size_t step) const {
    std::vector<Ciphertext> sent;
    std::vector<ring::Poly> masks;
    const std::vector<Travelling> travelling = to_client(*context, program, plan, step);
    for (std::size_t i = 0; i < travelling.size(); ++i) {
      const std::size_t value = exchange_operands[step][i];
      if (travelling[i].masked) {
        const NodeId refreshed = program.steps[step].refreshed[masks.size()];
        ring::Prng prng;
        ckks::MaskedValue m = ckks::mask_for_refresh(*context, run.values[value], plan.level[index(refreshed)], prng);
        sent.push_back(std::move(m.masked));
        masks.push_back(std::move(m.mask));
      } else {
        sent.push_back(run.values[value]);
      }
      run.release(value);
    }
    store_fresh(run, step, run.exchange(step, std::move(sent)), masks);
  }

  // Scales are canonical by construction; setting them removes the rounding of doubles.
  void store(Run& run, std::size_t id, Ciphertext c) const {
    c.scale = value_scale(*context, program, plan, static_cast<NodeId>(id));
    run.values[id] = std::move(c);
  }

  static std::vector<const Ciphertext*> pointers(const Run& run, const std::vector<std::size_t>& values) {
    std::vector<const Ciphertext*> list;
    for (std::size_t value : values) list.push_back(&run.values[value]);
    return list;
  }

  Ciphertext evaluate(Run& run, std::size_t id) const {
    const Node& node = program.nodes[id];
    const auto in = [&](std::size_t k) -> const Ciphertext& { return run.values[operands[id][k]]; };
    switch (node.op) {
      case Op::rotate: {
        const std::size_t group = decomposition_of[id];
        if (group == kNone) return evaluator.rotate(in(0), node.steps, run.keys);
        Ciphertext r = evaluator.rotate_hoisted(in(0), run.digits[group], node.steps, run.keys);
        if (--run.digit_uses[group] == 0) run.digits[group] = {};
        return r;
      }
      case Op::add:
        return evaluator.add(in(0), in(1));
      case Op::subtract:
        return evaluator.sub(in(0), in(1));
      case Op::multiply_integer:
        return evaluator.mul_scalar(in(0), node.factor, 1.0);
      case Op::multiply_i:
        return evaluator.multiply_i(in(0));
      case Op::conjugate:
        return evaluator.conjugate(in(0), run.keys);
      case Op::twice_real:
        return evaluator.add(in(0), in(1));
      case Op::twice_imaginary:  // (z - conj z) / i
        return evaluator.multiply_i(evaluator.sub(in(1), in(0)));
      case Op::add_plain:
        return evaluator.add_plain(in(0), *plaintexts[id][0]);
      case Op::weighted_sum: {
        std::vector<const Ciphertext*> a;
        std::vector<const Plaintext*> b;
        for (std::size_t k = 0; k < node.inputs.size(); ++k) {
          a.push_back(&in(k));
          b.push_back(plaintexts[id][k].get());
        }
        return evaluator.rescale(evaluator.inner_product_plain(a, b));
      }
      case Op::product_sum: {
        std::vector<const Ciphertext*> a, b;
        for (std::size_t k = 0; k < node.inputs.size(); k += 2) {
          a.push_back(&in(k));
          b.push_back(&in(k + 1));
        }
        return evaluator.relinearize_rescale(evaluator.inner_product(a, b), run.keys);
      }
      case Op::fresh:
      case Op::refreshed:
        break;
    }
    throw Error(ErrorCode::internal, "a value from the client is not computed here");
  }

  void execute(Run& run, const TaskSpec& task, const ParallelFor& parallel) const {
    const auto start = std::chrono::steady_clock::now();
    switch (task.kind) {
      case Kind::exchange:
        exchange(run, task.index);
        break;
      case Kind::align:
        run.values[task.target] = evaluator.align_to(run.values[task.source], task.level);
        run.release(task.source);
        break;
      case Kind::drop:
        run.values[task.target] = evaluator.drop_to(run.values[task.source], task.level);
        run.release(task.source);
        break;
      case Kind::decompose:
        run.digits[task.index] = evaluator.decompose(run.values[task.source]);
        run.release(task.source);
        break;
      case Kind::node:
        store(run, task.index, evaluate(run, task.index));
        for (std::size_t value : operands[task.index]) run.release(value);
        break;
      case Kind::transform: {
        std::vector<Ciphertext> results = ckks::linear_transforms(*context, pointers(run, group_operands[task.index]),
                                                                  transforms[task.index], run.keys, parallel);
        for (std::size_t t = 0; t < results.size(); ++t)
          store(run, index(program.transforms[fusion.groups[task.index].transforms[t]].output), std::move(results[t]));
        for (std::size_t value : group_operands[task.index]) run.release(value);
        break;
      }
      case Kind::sum:
        store(run, task.target,
              ckks::sum_of_rotations(*context, pointers(run, operands[task.target]),
                                     program.rotation_sums[task.index].steps, run.keys, parallel));
        for (std::size_t value : operands[task.target]) run.release(value);
        break;
    }
    if (!run.profile || task.kind == Kind::exchange) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const bool fused = task.kind == Kind::transform || task.kind == Kind::sum;
    const std::size_t node = task.kind == Kind::node ? task.index
                             : fused                 ? task.target
                                                     : std::min(task.source, program.nodes.size() - 1);
    const Op op = task.kind == Kind::node                                  ? program.nodes[node].op
                  : task.kind == Kind::decompose || task.kind == Kind::sum ? Op::rotate
                  : task.kind == Kind::transform                           ? Op::weighted_sum
                                                                           : Op::add_plain;
    const std::lock_guard lock(run.profile_mutex);
    NodeTime& entry = run.times[{program.nodes[node].label, op}];
    entry.label = program.nodes[node].label;
    entry.op = op;
    entry.seconds += seconds;
    entry.count += task.kind == Kind::node || fused ? 1 : 0;
  }

  std::vector<Ciphertext> run(const ckks::EvaluationKeys& keys, std::vector<Ciphertext> inputs,
                              const Exchange& exchange, int threads, std::vector<NodeTime>* profile) const {
    Run state(*this, keys, exchange);
    state.profile = profile;
    store_fresh(state, 0, std::move(inputs), {});
    std::vector<Task> work;
    work.reserve(tasks.size());
    for (const TaskSpec& task : tasks)
      work.push_back({[this, &state, &task](const ParallelFor& parallel) { execute(state, task, parallel); },
                      task.after, task.urgency});
    run_tasks(work, std::max(1, threads));
    if (profile)
      for (auto& [key, time] : state.times) profile->push_back(time);
    std::vector<Ciphertext> results;
    for (std::size_t value : result_values) results.push_back(state.values[value]);
    return results;
  }
};

CkksExecutor::CkksExecutor(ckks::ContextPtr context, const Program& program, const ProgramPlan& plan,
                           std::shared_ptr<PlaintextStore> store)
    : impl_(std::make_unique<Impl>(std::move(context), program, plan, std::move(store))) {}
CkksExecutor::~CkksExecutor() = default;

std::vector<Ciphertext> CkksExecutor::run(const ckks::EvaluationKeys& keys, std::vector<Ciphertext> inputs,
                                          const Exchange& exchange, int threads) const {
  return impl_->run(keys, std::move(inputs), exchange, threads, nullptr);
}

std::vector<Ciphertext> CkksExecutor::run_profiled(const ckks::EvaluationKeys& keys, std::vector<Ciphertext> inputs,
                                                   const Exchange& exchange, int threads,
                                                   std::vector<NodeTime>& profile) const {
  return impl_->run(keys, std::move(inputs), exchange, threads, &profile);
}

std::size_t CkksExecutor::plaintext_bytes() const { return impl_->plaintext_bytes; }

}  // namespace thex::circuit
