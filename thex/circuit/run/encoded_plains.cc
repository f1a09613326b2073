#include "thex/circuit/run/encoded_plains.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>

namespace thex::circuit {
namespace {

// Of what a node multiplies one of its inputs by.
double factor_scale(const ckks::Context& context, const ProgramPlan& plan, NodeId id, NodeId input) {
  const double dropped = static_cast<double>(context.prime((plan.level[id] + 1).top()).value());
  return context.scale(plan.scale_level[id]) * dropped / context.scale(plan.scale_level[input]);
}

// A group's transforms without their factors, and what these are, in the order of the terms.
struct GroupFactors {
  struct Factor {
    const PlainSet* set;
    std::size_t number;
    double scale;
  };
  std::vector<ckks::LinearTransform> transforms;
  std::vector<Factor> factors;

  GroupFactors(const ckks::Context& context, const Program& program, const ProgramPlan& plan,
               const TransformGroup& group) {
    for (const NodeId id : group.nodes) {
      const Node& node = program.nodes[id];
      const Transform& of = program.transforms[node.transform];
      ckks::LinearTransform& transform = transforms.emplace_back();
      transform.giant_step = of.terms->giant_step;
      for (const auto& [g, terms] : of.terms->at)
        for (const TransformTerms::Term& term : terms) {
          transform.at[g].push_back({term.input, term.steps, nullptr});
          factors.push_back(
              {&(*of.factors)[term.set], term.number, factor_scale(context, plan, id, node.inputs[term.input])});
        }
    }
  }

  // encoded(i) is factor number i.
  template <typename Encoded>
  void fill(const Encoded& encoded) {
    std::size_t next = 0;
    for (ckks::LinearTransform& transform : transforms)
      for (auto& [g, terms] : transform.at)
        for (ckks::LinearTransform::Term& term : terms) term.factor = encoded(next++);
  }
};

class PlainEncoder {
 public:
  PlainEncoder(const ckks::Context& context, const Program& program, const ProgramPlan& plan, PlaintextStore& store)
      : context_(context), program_(program), plan_(plan), store_(store) {
    encoded_.of_node.resize(program.nodes.size());
  }

  void node(std::size_t id) {
    const Node& node = program_.nodes[id];
    const ckks::Level level = plan_.level[id];
    auto& list = encoded_.of_node[id];
    if (node.op == Op::add_plain)
      list.push_back(encode(node.plains[0], level, context_.scale(plan_.scale_level[id]), false));
    if (node.op != Op::weighted_sum) return;
    for (std::size_t k = 0; k < node.inputs.size(); ++k)
      list.push_back(encode(node.plains[k], level + 1, factor_scale(id, node.inputs[k]), false));
  }

  void group(const TransformGroup& group) {
    const bool extended = rotates(program_, group);
    GroupFactors of_group(context_, program_, plan_, group);
    of_group.fill([&](std::size_t i) {
      encoded_.kept.push_back(encode(of_group.factors[i], group.level, extended));
      return encoded_.kept.back().get();
    });
    encoded_.of_group.push_back(std::move(of_group.transforms));
  }

  EncodedPlains take() { return std::move(encoded_); }

 private:
  std::shared_ptr<const ckks::Plaintext> encode(PlainId id, ckks::Level level, double scale, bool extended) {
    auto& entry = entries_[{id, level, std::bit_cast<std::uint64_t>(scale), extended}];
    if (!entry) {
      const PlainVector& vector = program_.plains[id];
      std::vector<double>& values = filled_[id];
      if (values.empty()) values = vector.values();
      entry = store_.get(values, vector.complex, level, scale, extended);
      if (distinct_.insert(entry.get()).second) encoded_.bytes += bytes_of(*entry);
    }
    return entry;
  }

  std::shared_ptr<const ckks::Plaintext> encode(const GroupFactors::Factor& factor, ckks::Level level, bool extended) {
    auto& entry = of_sets_[{factor.set, factor.number, level, std::bit_cast<std::uint64_t>(factor.scale), extended}];
    if (!entry) {
      entry = store_.get(factor.set->values(factor.number), factor.set->complex, level, factor.scale, extended);
      if (distinct_.insert(entry.get()).second) encoded_.bytes += bytes_of(*entry);
    }
    return entry;
  }

  double factor_scale(NodeId id, NodeId input) const { return circuit::factor_scale(context_, plan_, id, input); }

  const ckks::Context& context_;
  const Program& program_;
  const ProgramPlan& plan_;
  PlaintextStore& store_;
  EncodedPlains encoded_;
  std::map<PlainId, std::vector<double>> filled_;
  std::map<std::tuple<PlainId, ckks::Level, std::uint64_t, bool>, std::shared_ptr<const ckks::Plaintext>> entries_;
  std::map<std::tuple<const PlainSet*, std::size_t, ckks::Level, std::uint64_t, bool>,
           std::shared_ptr<const ckks::Plaintext>>
      of_sets_;
  std::set<const ckks::Plaintext*> distinct_;
};

}  // namespace

EncodedPlains encode_plains(const ckks::Context& context, const Program& program, const ProgramPlan& plan,
                            const Fusion& fusion, Encoding encoding, PlaintextStore& store) {
  PlainEncoder encoder(context, program, plan, store);
  for (std::size_t id = 0; id < program.nodes.size(); ++id)
    if (fusion.needed[id]) encoder.node(id);
  for (const TransformGroup& group : fusion.groups)
    if (encoding == Encoding::ahead) encoder.group(group);
  EncodedPlains all = encoder.take();
  all.of_group.resize(fusion.groups.size());
  return all;
}

EncodedGroup encode_group(const ckks::Context& context, const ckks::Encoder& encoder, const Program& program,
                          const ProgramPlan& plan, const TransformGroup& group, const ParallelFor& parallel) {
  const bool extended = rotates(program, group);
  GroupFactors of_group(context, program, plan, group);
  const std::vector<GroupFactors::Factor>& factors = of_group.factors;
  EncodedGroup encoded;
  encoded.kept.resize(factors.size());
  constexpr std::size_t kAtOnce = 64;
  parallel((factors.size() + kAtOnce - 1) / kAtOnce, [&](std::size_t block) {
    for (std::size_t i = block * kAtOnce; i < std::min(factors.size(), (block + 1) * kAtOnce); ++i) {
      const auto& [set, number, scale] = factors[i];
      encoded.kept[i] = encode_plain(encoder, set->values(number), set->complex, group.level, scale, extended);
    }
  });
  of_group.fill([&](std::size_t i) { return &encoded.kept[i]; });
  encoded.transforms = std::move(of_group.transforms);
  return encoded;
}

}  // namespace thex::circuit
