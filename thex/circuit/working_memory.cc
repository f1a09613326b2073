#include "thex/circuit/working_memory.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <set>
#include <utility>
#include <vector>

#include "thex/ring/block_size.h"

namespace thex::circuit {
namespace {

using Kind = TaskGraph::Kind;
using Task = TaskGraph::Task;

// What ciphertexts and the inner values of operations take.
class Sizes {
 public:
  Sizes(const Program& program, const TaskGraph& graph, const ckks::ContextSpec& spec)
      : program_(program),
        graph_(graph),
        n_(std::size_t{1} << spec.log_n),
        alpha_(spec.digit_limbs),
        special_(spec.p_bits.size()) {}

  std::size_t value(std::size_t v) const { return 2 * limbs(graph_.value_level[v]); }
  // Digits of a value at that level, and a value times P before it is divided.
  std::size_t digits(ckks::Level level) const { return (level.limbs() + alpha_ - 1) / alpha_ * extended(level); }

  // The masks of what the client refreshes in a step: the server holds them from sending to receiving.
  std::size_t masks(std::size_t step) const {
    std::size_t sum = 0;
    for (const NodeId id : program_.steps[step].refreshed) sum += limbs(graph_.value_level[id]);
    return sum;
  }

  // What a task needs beside what it reads and writes, while it runs.
  std::size_t inside(const Task& task) const {
    switch (task.kind) {
      case Kind::node:
        return inside_node(program_.nodes[task.index], task);
      case Kind::align:
        return 2 * limbs(task.level + 1);
      case Kind::transform:
        return inside_group(graph_.fusion.groups[task.index]);
      case Kind::to_client: {  // copies for the client
        std::size_t copies = 0;
        for (const std::size_t v : task.reads) copies += 2 * value(v);
        return copies;
      }
      case Kind::drop:
      case Kind::decompose:
      case Kind::from_client:
        break;
    }
    return scratch();
  }

 private:
  std::size_t block(std::size_t limbs) const { return ring::block_bytes(n_ * limbs * sizeof(std::uint64_t)); }
  std::size_t limbs(ckks::Level level) const { return block(level.limbs()); }
  std::size_t extended(ckks::Level level) const { return block(level.limbs() + special_); }
  std::size_t scratch() const { return block(12); }

  std::size_t inside_node(const Node& node, const Task& task) const {
    const ckks::Level level = task.level + consumed_levels(node.op);
    switch (node.op) {
      case Op::rotate:
      case Op::conjugate:
        return (task.digits == TaskGraph::kNone ? digits(level) : 0) + 2 * extended(level) + scratch();
      case Op::rotation_sum: {
        const std::set<std::size_t> sources(task.reads.begin(), task.reads.end());
        return sources.size() * digits(level) + 3 * extended(level) + scratch();
      }
      case Op::product_sum:
        return 3 * limbs(level) + digits(level) + 2 * extended(level) + scratch();
      default:
        return 2 * limbs(level) + scratch();
    }
  }

  // Digits of the rotated inputs, all inner sums, and one giant step.
  std::size_t inside_group(const TransformGroup& group) const {
    std::set<std::size_t> rotated;
    std::size_t sums = 0;
    bool giants = false;
    for (const NodeId id : group.nodes) {
      const TransformTerms& terms = *program_.transforms[program_.nodes[id].transform].terms;
      sums += terms.at.size();
      giants = giants || terms.at.size() > 1;
      for (const auto& [input, steps] : terms.rotations) rotated.insert(input);
    }
    const std::size_t giant_step = giants ? digits(group.level) + limbs(group.level) + extended(group.level) : 0;
    return rotated.size() * digits(group.level) + sums * 2 * extended(group.level) + giant_step + scratch();
  }

  const Program& program_;
  const TaskGraph& graph_;
  std::size_t n_, alpha_, special_;
};

// One run on one thread.
class Walk {
 public:
  Walk(const TaskGraph& graph, const Sizes& sizes, bool client_is_slow)
      : graph_(graph), sizes_(sizes), slow_(client_is_slow), uses_(graph.value_uses), digit_uses_(graph.digit_uses) {
    for (std::size_t t = 0; t < graph.order.size(); ++t) {
      waits_for_.push_back(graph.order[t].waits_for);
      if (graph.tasks[t].kind == Kind::from_client) {
        if (--waits_for_[t] == 0) answer(t);
      } else if (waits_for_[t] == 0) {
        ready_.push({graph.order[t].urgency, t});
      }
    }
  }

  std::size_t peak() {
    while (!ready_.empty() || !client_.empty()) {
      if (ready_.empty()) {
        push(client_.front());
        client_.erase(client_.begin());
      }
      const std::size_t t = ready_.top().second;
      ready_.pop();
      run(graph_.tasks[t]);
      for (const std::size_t next : graph_.order[t].successors)
        if (--waits_for_[next] == 0) graph_.tasks[next].kind == Kind::from_client ? answer(next) : push(next);
    }
    return peak_;
  }

 private:
  void push(std::size_t t) { ready_.push({graph_.order[t].urgency, t}); }
  void answer(std::size_t t) { slow_ ? client_.push_back(t) : push(t); }

  void run(const Task& task) {
    for (const std::size_t v : task.writes) alive_ += sizes_.value(v);
    if (task.kind == Kind::decompose) alive_ += digits_size_[task.index] = sizes_.digits(task.level);
    if (task.kind == Kind::to_client) alive_ += sizes_.masks(task.index);
    peak_ = std::max(peak_, alive_ + sizes_.inside(task));
    for (const std::size_t v : task.reads)
      if (--uses_[v] == 0) alive_ -= sizes_.value(v);
    if (task.kind == Kind::from_client) alive_ -= sizes_.masks(task.index);
    if (task.digits != TaskGraph::kNone && --digit_uses_[task.digits] == 0) alive_ -= digits_size_[task.digits];
  }

  const TaskGraph& graph_;
  const Sizes& sizes_;
  const bool slow_;
  std::vector<int> uses_, digit_uses_;
  std::vector<std::size_t> waits_for_, client_;
  std::map<std::size_t, std::size_t> digits_size_;
  using Entry = std::pair<int, std::size_t>;  // as the scheduler's
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready_;
  std::size_t alive_ = 0, peak_ = 0;
};

}  // namespace

WorkingMemory working_memory(const Program& program, const TaskGraph& graph, const ckks::ContextSpec& spec) {
  const Sizes sizes(program, graph, spec);
  WorkingMemory memory;
  for (const bool slow : {false, true}) memory.bytes = std::max(memory.bytes, Walk(graph, sizes, slow).peak());
  for (const Task& task : graph.tasks) {
    std::size_t bytes = sizes.inside(task);
    for (const std::size_t v : task.writes) bytes += sizes.value(v);
    memory.thread_bytes = std::max(memory.thread_bytes, bytes);
  }
  return memory;
}

}  // namespace thex::circuit
