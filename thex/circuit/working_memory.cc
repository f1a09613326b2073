#include "thex/circuit/working_memory.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
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

// Bytes in use, now and at most, of blocks of each size. The pool keeps a free block for its size, so what a run makes
// it hold is the sum of what was in use of every size at most, at whatever time.
class Blocks {
 public:
  explicit Blocks(std::size_t n) : row_bytes_(n * sizeof(std::uint64_t)) {}

  // Blocks of so many limbs.
  void take(std::size_t limbs, std::size_t count) {
    Size& size = of(limbs);
    size.in_use += count * size.block;
    size.most = std::max(size.most, size.in_use);
  }
  void give(std::size_t limbs, std::size_t count) {
    Size& size = of(limbs);
    size.in_use -= count * size.block;
  }
  std::size_t most() const {
    std::size_t sum = 0;
    for (const Size& size : sizes_) sum += size.most;
    return sum;
  }

 private:
  struct Size {
    std::size_t block = 0, in_use = 0, most = 0;
  };
  // Few sizes are ever in use: limbs next to each other may share one.
  Size& of(std::size_t limbs) {
    if (number_.size() <= limbs) number_.resize(limbs + 1, kNone);
    if (number_[limbs] == kNone) {
      const std::size_t block = ring::block_bytes(limbs * row_bytes_);
      std::size_t i = 0;
      while (i < sizes_.size() && sizes_[i].block != block) ++i;
      if (i == sizes_.size()) sizes_.push_back({.block = block});
      number_[limbs] = i;
    }
    return sizes_[number_[limbs]];
  }

  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::size_t row_bytes_;
  std::vector<std::size_t> number_;
  std::vector<Size> sizes_;
};

// Takes, or gives back, what ciphertexts and the inner values of operations are made of.
class Sizes {
 public:
  using Change = void (Blocks::*)(std::size_t limbs, std::size_t count);
  Sizes(const Program& program, const TaskGraph& graph, const ckks::ContextSpec& spec, Blocks& blocks, Change change)
      : program_(program),
        graph_(graph),
        alpha_(spec.digit_limbs),
        special_(spec.p_bits.size()),
        blocks_(blocks),
        change_(change) {}

  void value(std::size_t v, std::size_t count = 1) const { add(graph_.value_level[v].limbs(), 2 * count); }
  // Digits of a value at that level, each with the special primes.
  void digits(ckks::Level level, std::size_t count = 1) const {
    extended(level, count * ckks::digits_of(level.limbs(), alpha_));
  }
  // The masks of what the client refreshes in a step: the server holds them from sending to receiving.
  void masks(std::size_t step) const {
    for (const NodeId id : program_.steps[step].refreshed) add(graph_.value_level[id].limbs(), 1);
  }

  // What a task needs beside what it reads and writes, while it runs.
  void inside(const Task& task) const {
    switch (task.kind) {
      case Kind::node:
        return inside_node(program_.nodes[task.index], task);
      case Kind::align:
        return limbs(task.level + 1, 2);
      case Kind::transform:
        return inside_group(graph_.fusion.groups[task.index]);
      case Kind::to_client:  // copies for the client
        for (const std::size_t v : task.reads) value(v, 2);
        return;
      case Kind::drop:
      case Kind::decompose:
      case Kind::from_client:
        break;
    }
    scratch();
  }

 private:
  void add(std::size_t limbs, std::size_t count) const { (blocks_.*change_)(limbs, count); }
  void limbs(ckks::Level level, std::size_t count) const { add(level.limbs(), count); }
  void extended(ckks::Level level, std::size_t count) const { add(level.limbs() + special_, count); }
  void scratch() const { add(12, 1); }

  void inside_node(const Node& node, const Task& task) const {
    const ckks::Level level = task.level + consumed_levels(node.op);
    scratch();
    switch (node.op) {
      case Op::rotate:
      case Op::conjugate:
        if (task.digits == TaskGraph::kNone) digits(level);
        return extended(level, 2);
      case Op::rotation_sum: {
        const std::set<std::size_t> sources(task.reads.begin(), task.reads.end());
        digits(level, sources.size());
        return extended(level, 3);
      }
      case Op::product_sum:
        limbs(level, 3);
        digits(level);
        return extended(level, 2);
      default:
        return limbs(level, 2);
    }
  }

  // Digits of the rotated inputs, all inner sums, and one giant step.
  void inside_group(const TransformGroup& group) const {
    std::set<std::size_t> rotated;
    std::size_t sums = 0;
    bool giants = false;
    for (const NodeId id : group.nodes) {
      const TransformTerms& terms = *program_.transforms[program_.nodes[id].transform].terms;
      sums += terms.at.size();
      giants = giants || terms.at.size() > 1;
      for (const auto& [input, steps] : terms.rotations) rotated.insert(input);
    }
    digits(group.level, rotated.size() + (giants ? 1 : 0));
    limbs(group.level, giants ? 1 : 0);
    extended(group.level, 2 * sums + (giants ? 1 : 0));
    scratch();
  }

  const Program& program_;
  const TaskGraph& graph_;
  std::size_t alpha_, special_;
  Blocks& blocks_;
  Change change_;
};

// One run on one thread.
class Walk {
 public:
  Walk(const Program& program, const TaskGraph& graph, const ckks::ContextSpec& spec, bool client_is_slow)
      : graph_(graph),
        blocks_(std::size_t{1} << spec.log_n),
        take_(program, graph, spec, blocks_, &Blocks::take),
        give_(program, graph, spec, blocks_, &Blocks::give),
        slow_(client_is_slow),
        uses_(graph.value_uses),
        digit_uses_(graph.digit_uses) {
    for (std::size_t t = 0; t < graph.order.size(); ++t) {
      waits_for_.push_back(graph.order[t].waits_for);
      if (graph.tasks[t].kind == Kind::from_client) {
        if (--waits_for_[t] == 0) answer(t);
      } else if (waits_for_[t] == 0) {
        ready_.push({graph.order[t].urgency, t});
      }
    }
  }

  std::size_t most() {
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
    return blocks_.most();
  }

 private:
  void push(std::size_t t) { ready_.push({graph_.order[t].urgency, t}); }
  void answer(std::size_t t) { slow_ ? client_.push_back(t) : push(t); }

  void run(const Task& task) {
    for (const std::size_t v : task.writes) take_.value(v);
    if (task.kind == Kind::decompose) {
      take_.digits(task.level);
      digits_level_[task.index] = task.level;
    }
    if (task.kind == Kind::to_client) take_.masks(task.index);
    take_.inside(task);
    give_.inside(task);
    for (const std::size_t v : task.reads)
      if (--uses_[v] == 0) give_.value(v);
    if (task.kind == Kind::from_client) give_.masks(task.index);
    if (task.digits != TaskGraph::kNone && --digit_uses_[task.digits] == 0) give_.digits(digits_level_[task.digits]);
  }

  const TaskGraph& graph_;
  Blocks blocks_;
  const Sizes take_, give_;
  const bool slow_;
  std::vector<int> uses_, digit_uses_;
  std::vector<std::size_t> waits_for_, client_;
  std::map<std::size_t, ckks::Level> digits_level_;
  using Entry = std::pair<int, std::size_t>;  // as the scheduler's
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready_;
};

// Of all tasks, one at a time.
std::size_t most_of_one_task(const Program& program, const TaskGraph& graph, const ckks::ContextSpec& spec) {
  Blocks blocks(std::size_t{1} << spec.log_n);
  const Sizes take(program, graph, spec, blocks, &Blocks::take), give(program, graph, spec, blocks, &Blocks::give);
  for (const Task& task : graph.tasks) {
    for (const std::size_t v : task.writes) take.value(v);
    take.inside(task);
    give.inside(task);
    for (const std::size_t v : task.writes) give.value(v);
  }
  return blocks.most();
}

}  // namespace

WorkingMemory working_memory(const Program& program, const TaskGraph& graph, const ckks::ContextSpec& spec) {
  WorkingMemory memory{.thread_bytes = most_of_one_task(program, graph, spec)};
  for (const bool slow : {false, true}) memory.bytes = std::max(memory.bytes, Walk(program, graph, spec, slow).most());
  return memory;
}

}  // namespace thex::circuit
