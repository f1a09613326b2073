#include "thex/circuit/accounting.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "thex/circuit/fusion.h"

namespace thex::circuit {
namespace {

constexpr std::size_t kPlaintextOverhead = 256;  // of an encoded vector beside its residues

// The residues of a compact plaintext.
std::size_t compact_bytes(std::size_t period, std::size_t limbs) { return 16 * period * limbs; }

// Of what a group of transforms multiplies by.
std::size_t factor_limbs(const Program& program, const TransformGroup& group, const ckks::ContextSpec& spec) {
  return group.level.limbs() + (rotates(program, group) ? spec.p_bits.size() : 0);
}

class Accountant {
 public:
  // `steps`: where what each label costs goes.
  Accountant(const Program& program, const ProgramPlan& plan, ckks::KeyRequirements& keys,
             std::vector<StepCost>* steps = nullptr)
      : program_(program), plan_(plan), keys_(keys), steps_(steps) {}

  ProgramWork all() && {
    const Fusion fusion = find_fusion(program_, plan_.level);
    for (std::size_t id = 0; id < program_.nodes.size(); ++id) {
      enter(id);
      if (fusion.needed[id] && fusion.group_of[id] == Fusion::kNone) node(program_.nodes[id], plan_.level[id]);
    }
    for (const TransformGroup& g : fusion.groups) {
      enter(g.nodes[0]);
      group(g);
    }
    leave();
    return std::move(total_);
  }

 private:
  // What is accounted from here on belongs to the node's step.
  void enter(NodeId id) {
    if (steps_ == nullptr) return;
    leave();
    const auto [it, inserted] = step_of_label_.try_emplace(program_.nodes[id].label, steps_->size());
    if (inserted) steps_->push_back({.label = std::string(program_.nodes[id].label)});
    current_ = it->second;
    ckks::Level& level = (*steps_)[current_].level;
    level = std::max(level, plan_.level[id] + consumed_levels(program_.nodes[id].op));
  }

  // What was accounted since the last call is the current step's.
  void leave() {
    if (steps_ == nullptr || steps_->empty()) return;
    StepCost& step = (*steps_)[current_];
    step.rotations += total_.counts.rotations - before_.rotations;
    step.plain_products += total_.counts.plain_products - before_.plain_products;
    step.ciphertext_products += total_.counts.ciphertext_products - before_.ciphertext_products;
    before_ = total_.counts;
  }

  // The current step's work at a level, or that of the whole program.
  LevelWork& at(ckks::Level level) { return steps_ == nullptr ? total_.work[level] : (*steps_)[current_].work[level]; }

  // One that is not divided by P yet; steps = 0 costs no key.
  void rotation(int steps, ckks::Level level, bool decomposes) {
    if (steps == 0) return;
    const auto [it, inserted] = keys_.rotations.emplace(steps, level);
    if (!inserted) it->second = std::max(it->second, level);
    ++total_.counts.rotations;
    if (decomposes) ++at(level).decompositions;
    ++at(level).key_products;
  }

  void group(const TransformGroup& g) {
    std::set<std::pair<std::size_t, int>> babies;
    std::set<std::size_t> decomposed;
    for (const NodeId id : g.nodes) {
      const TransformTerms& terms = *program_.transforms[program_.nodes[id].transform].terms;
      total_.counts.plain_products += terms.count;
      at(g.level).transform_products += static_cast<double>(terms.count);
      for (const auto& [input, steps] : terms.rotations)
        if (babies.emplace(input, steps).second) rotation(steps, g.level, decomposed.insert(input).second);
      const int lowest = terms.at.begin()->first, highest = terms.at.rbegin()->first;
      for (int giant = 0; giant < highest; ++giant) giant_step(terms.giant_step, g.level);
      for (int giant = 0; giant > lowest; --giant) giant_step(-terms.giant_step, g.level);
      ++total_.counts.rescales;
      at(g.level).divisions += 2;
    }
  }

  void switch_key(ckks::Level level) {
    LevelWork& work = at(level);
    ++work.decompositions;
    ++work.key_products;
    work.divisions += 2;
  }

  void giant_step(int steps, ckks::Level level) {
    rotation(steps, level, true);
    ++at(level).divisions;
  }

  void node(const Node& node, ckks::Level level) {
    switch (node.op) {
      case Op::rotate:
        rotation(node.steps, level, hoisted_.emplace(node.inputs[0], level).second);
        at(level).divisions += 2;
        break;
      case Op::rotation_sum: {
        std::set<NodeId> decomposed;
        for (std::size_t k = 0; k < node.inputs.size(); ++k)
          rotation(node.rotations[k], level, node.rotations[k] != 0 && decomposed.insert(node.inputs[k]).second);
        at(level).divisions += 2;
        break;
      }
      case Op::conjugate:
        keys_.conjugation_level = std::max(keys_.conjugation_level, level);
        ++total_.counts.rotations;
        switch_key(level);
        break;
      case Op::weighted_sum:
        total_.counts.plain_products += node.inputs.size();
        ++total_.counts.rescales;
        at(level + 1).products += static_cast<double>(node.inputs.size() * 2 * (level + 1).limbs());
        ++at(level + 1).rescales;
        break;
      case Op::product_sum:
        keys_.relinearization_level = std::max(keys_.relinearization_level, level + 1);
        total_.counts.ciphertext_products += node.inputs.size() / 2;
        ++total_.counts.relinearizations;
        ++total_.counts.rescales;
        at(level + 1).products += static_cast<double>(node.inputs.size() * 2 * (level + 1).limbs());
        switch_key(level + 1);
        break;
      case Op::add:
      case Op::subtract:
      case Op::add_plain:
      case Op::multiply_integer:
      case Op::multiply_i:
      case Op::twice_real:
      case Op::twice_imaginary:
        at(level).sums += static_cast<double>(2 * level.limbs());
        break;
      case Op::linear_transform:  // in groups
      case Op::fresh:
      case Op::refresh:
        break;
    }
  }

  const Program& program_;
  const ProgramPlan& plan_;
  ckks::KeyRequirements& keys_;
  std::vector<StepCost>* steps_;
  std::map<std::string_view, std::size_t> step_of_label_;
  std::size_t current_ = 0;
  OperationCounts before_;
  ProgramWork total_;
  std::set<std::pair<NodeId, ckks::Level>> hoisted_;  // rotations of one value at one level share their digits
};

}  // namespace

double ProgramWork::seconds(const ckks::ContextSpec& spec, const OperationFactors& factors) const {
  const CostModel cost = CostModel::of_spec(spec);
  double sum = 0;
  for (const auto& [level, at_level] : work) sum += cost.of(at_level, level, factors);
  return sum;
}

ProgramWork account(const Program& program, const ProgramPlan& plan, ckks::KeyRequirements& keys) {
  return Accountant(program, plan, keys).all();
}

std::vector<StepCost> step_costs(const Program& program, const ProgramPlan& plan, const ckks::ContextSpec& spec,
                                 const OperationFactors& factors) {
  ckks::KeyRequirements keys;
  std::vector<StepCost> steps;
  Accountant(program, plan, keys, &steps).all();
  const CostModel cost = CostModel::of_spec(spec);
  for (StepCost& step : steps)
    for (const auto& [level, work] : step.work) step.seconds += cost.of(work, level, factors);
  return steps;
}

std::size_t plaintext_bytes(const Program& program, const ProgramPlan& plan, const ckks::ContextSpec& spec) {
  const Fusion fusion = find_fusion(program, plan.level);
  std::set<std::pair<PlainId, ckks::Level>> seen;
  std::size_t bytes = 0;
  for (std::size_t id = 0; id < program.nodes.size(); ++id) {
    if (!fusion.needed[id]) continue;
    const Node& node = program.nodes[id];
    const ckks::Level level = plan.level[id] + consumed_levels(node.op);
    for (PlainId plain : node.plains)
      if (seen.emplace(plain, level).second) bytes += compact_bytes(program.plains[plain].period, level.limbs());
  }
  std::set<std::tuple<const std::vector<PlainSet>*, ckks::Level, std::size_t>> counted;
  for (const TransformGroup& group : fusion.groups) {
    const std::size_t limbs = factor_limbs(program, group, spec);
    for (const NodeId id : group.nodes) {
      const auto& factors = program.transforms[program.nodes[id].transform].factors;
      if (!counted.emplace(factors.get(), group.level, limbs).second) continue;
      for (const PlainSet& set : *factors) bytes += set.count * compact_bytes(set.period, limbs);
    }
  }
  return bytes;
}

std::size_t largest_group_bytes(const Program& program, const ProgramPlan& plan, const ckks::ContextSpec& spec) {
  std::size_t largest = 0;
  for (const TransformGroup& group : find_fusion(program, plan.level).groups) {
    const std::size_t limbs = factor_limbs(program, group, spec);
    std::size_t bytes = 0;
    for (const NodeId id : group.nodes)
      for (const PlainSet& set : *program.transforms[program.nodes[id].transform].factors)
        bytes += set.count * (compact_bytes(set.period, limbs) + kPlaintextOverhead);
    largest = std::max(largest, bytes);
  }
  return largest;
}

}  // namespace thex::circuit
