#include "thex/circuit/program.h"

#include <algorithm>
#include <bit>

#include "thex/base/error.h"
#include "thex/circuit/refresh.h"

namespace thex::circuit {
namespace {

[[noreturn]] void misuse(std::string_view label, const std::string& what) {
  throw Error(ErrorCode::internal, "circuit step '" + std::string(label) + "': " + what);
}

[[noreturn]] void refuse_size(const char* what, std::size_t limit, std::string_view label) {
  throw ProgramTooLarge("more than " + std::to_string(limit) + " " + what + " are needed, in step '" +
                        std::string(label) + "'");
}

}  // namespace

int consumed_levels(Op op) {
  return op == Op::weighted_sum || op == Op::product_sum || op == Op::linear_transform ? 1 : 0;
}

const char* name_of(Op op) {
  switch (op) {
    case Op::fresh:
      return "fresh";
    case Op::rotate:
      return "rotate";
    case Op::add:
      return "add";
    case Op::add_plain:
      return "add_plain";
    case Op::weighted_sum:
      return "weighted_sum";
    case Op::product_sum:
      return "product_sum";
    case Op::refresh:
      return "refresh";
    case Op::subtract:
      return "subtract";
    case Op::multiply_integer:
      return "multiply_integer";
    case Op::rotation_sum:
      return "rotation_sum";
    case Op::linear_transform:
      return "linear_transform";
    case Op::multiply_i:
      return "multiply_i";
    case Op::conjugate:
      return "conjugate";
    case Op::twice_real:
      return "twice_real";
    case Op::twice_imaginary:
      return "twice_imaginary";
  }
  return "unknown";
}

TransformTerms::TransformTerms(int giant, std::map<int, std::vector<Term>> terms)
    : giant_step(giant), at(std::move(terms)) {
  std::map<std::pair<std::size_t, int>, std::int32_t> seen;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Use> used;
  for (auto& [g, list] : at) {
    count += list.size();
    for (Term& term : list) {
      Use& use = used.try_emplace({term.input, term.set}, Use{term.input, term.set, 0, 0}).first->second;
      ++use.terms;
      if (term.steps != 0) ++use.rotated;
      if (term.steps == 0) continue;
      const auto [it, inserted] =
          seen.try_emplace({term.input, term.steps}, static_cast<std::int32_t>(rotations.size()));
      if (inserted) rotations.push_back(it->first);
      term.rotation = it->second;
    }
  }
  for (const auto& [key, use] : used) uses.push_back(use);
}

ProgramLimits ProgramLimits::after(const Program& program) const {
  ProgramLimits rest = *this;
  rest.nodes_before += program.nodes.size();
  rest.operands_before += program.operands;
  rest.plains_before += program.plains.size();
  return rest;
}

Builder::Builder(std::size_t slots, const ProgramLimits& limits) : limits_(limits) {
  if (!std::has_single_bit(slots))
    throw Error(ErrorCode::internal, "slot count " + std::to_string(slots) + " is not a power of two");
  program_.slots = slots;
  program_.storage = std::make_shared<std::pmr::monotonic_buffer_resource>();
}

template <typename T>
std::span<const T> Builder::keep(std::span<const T> list) {
  if (list.empty()) return {};
  T* const copy = static_cast<T*>(program_.storage->allocate(list.size_bytes(), alignof(T)));
  std::ranges::copy(list, copy);
  return {copy, list.size()};
}

void Builder::set_label(const StepLabel& step) {
  const std::string_view label = step.text;
  auto it = labels_.find(label);
  if (it == labels_.end()) {
    const std::span<const char> kept = keep(std::span<const char>(label.data(), label.size()));
    it = labels_.emplace(kept.data(), kept.size()).first;
  }
  label_ = *it;
  assumed_ = step.assumed;
}

void Builder::set_size(Value a, double root_mean_square) { program_.nodes.at(a.id()).assumed.known = root_mean_square; }

void Builder::set_error_gain(std::span<const Value> values, double gain) {
  ErrorGain& next = program_.error_gains.emplace_back();
  for (const Value value : values) next.values.push_back(value.id());
  next.gain = gain;
}

void Builder::check_period(std::size_t period) const {
  if (!std::has_single_bit(period) || period > program_.slots)
    misuse(label_,
           "plain vector of period " + std::to_string(period) + " in " + std::to_string(program_.slots) + " slots");
}

std::span<const NodeId> Builder::ids_of(std::span<const Value> values) {
  std::vector<NodeId> ids;
  ids.reserve(values.size());
  for (const Value v : values) ids.push_back(v.id());
  return keep(std::span<const NodeId>(ids));
}

PlainId Builder::plain(PlainVector vector) {
  check_period(vector.period);
  if (limits_.plains_before + program_.plains.size() >= limits_.plains)
    refuse_size("plain vectors", limits_.plains, label_);
  program_.plains.push_back(std::move(vector));
  return program_.plains.size() - 1;
}

// `node` has its operands in place already, but not its label.
Value Builder::push(Node node) {
  int depth = 0;
  for (NodeId input : node.inputs) {
    if (input >= program_.nodes.size()) misuse(label_, "operand is not a value of this program");
    if (!starts_chain(node)) depth = std::max(depth, depths_[input]);
  }
  depth += consumed_levels(node.op);
  if (depth > limits_.depth)
    throw ProgramTooLarge("more than " + std::to_string(limits_.depth) + " levels are needed, in step '" +
                          std::string(label_) + "'");
  program_.operands += node.inputs.size() + node.plains.size();
  if (limits_.nodes_before + program_.nodes.size() >= limits_.nodes) refuse_size("nodes", limits_.nodes, label_);
  if (limits_.operands_before + program_.operands > limits_.operands) refuse_size("operands", limits_.operands, label_);
  node.label = label_;
  node.assumed = assumed_;
  depths_.push_back(depth);
  program_.nodes.push_back(node);
  return Value(program_.nodes.size() - 1);
}

// Of an operation of one or two values.
Value Builder::push(Node node, std::initializer_list<Value> inputs) {
  NodeId ids[2] = {};
  std::ranges::transform(inputs, ids, &Value::id);
  node.inputs = keep(std::span<const NodeId>(ids, inputs.size()));
  return push(node);
}

// The rotation nearest to none that does the same.
int Builder::shortest(int steps) const {
  const int slots = static_cast<int>(program_.slots);
  steps %= slots;
  if (steps > slots / 2) steps -= slots;
  if (steps <= -slots / 2) steps += slots;
  return steps;
}

std::shared_ptr<const TransformTerms> Builder::terms(const std::vector<int>& key,
                                                     const std::function<TransformTerms()>& make) {
  std::shared_ptr<const TransformTerms>& shape = shapes_[key];
  if (!shape) shape = std::make_shared<const TransformTerms>(with_shortest_steps(make()));
  return shape;
}

TransformTerms Builder::with_shortest_steps(TransformTerms terms) const {
  const auto is_shortest = [&](const auto& rotation) { return shortest(rotation.second) == rotation.second; };
  if (shortest(terms.giant_step) == terms.giant_step && std::ranges::all_of(terms.rotations, is_shortest)) return terms;
  for (auto& [g, list] : terms.at)
    for (TransformTerms::Term& term : list) term.steps = shortest(term.steps);
  return {shortest(terms.giant_step), std::move(terms.at)};
}

TransformId Builder::transform(Transform transform) {
  for (const PlainSet& set : *transform.factors) check_period(set.period);
  if (transform.terms->at.empty()) misuse(label_, "a linear transform without terms");
  program_.transforms.push_back(std::move(transform));
  return program_.transforms.size() - 1;
}

Value Builder::linear_transform(TransformId transform, std::span<const Value> inputs) {
  if (transform >= program_.transforms.size()) misuse(label_, "a transform of another program");
  for (const TransformTerms::Use& use : program_.transforms[transform].terms->uses)
    if (use.input >= inputs.size()) misuse(label_, "a transform of more inputs than it is given");
  return push({.op = Op::linear_transform, .inputs = ids_of(inputs), .transform = transform});
}

Value Builder::rotate(Value a, int steps) {
  steps = shortest(steps);
  if (steps == 0) return a;
  const auto [it, inserted] =
      rotations_.try_emplace(static_cast<std::uint64_t>(a.id()) << 32 | static_cast<std::uint32_t>(steps), kNoId);
  if (inserted) it->second = push({.op = Op::rotate, .steps = steps}, {a}).id();
  return Value(it->second);
}

Value Builder::add(Value a, Value b) { return push({.op = Op::add}, {a, b}); }

Value Builder::subtract(Value a, Value b) { return push({.op = Op::subtract}, {a, b}); }

Value Builder::multiply_integer(Value a, int factor) {
  if (factor < -kMaxIntegerFactor || factor > kMaxIntegerFactor)
    misuse(label_, "the integer factor " + std::to_string(factor) + " is outside -2^20..2^20");
  return factor == 1 ? a : push({.op = Op::multiply_integer, .factor = factor}, {a});
}

Value Builder::pair(Value a, Value b) { return add(a, push({.op = Op::multiply_i}, {b})); }

Value Builder::twice_first(Value pair) {
  return push({.op = Op::twice_real}, {pair, push({.op = Op::conjugate}, {pair})});
}

std::pair<Value, Value> Builder::twice_parts(Value pair) {
  const Value conjugate = push({.op = Op::conjugate}, {pair});
  const Value real = push({.op = Op::twice_real}, {pair, conjugate});
  return {real, push({.op = Op::twice_imaginary}, {pair, conjugate})};
}

Value Builder::add_plain(Value a, PlainId b) {
  return push({.op = Op::add_plain, .plains = keep(std::span<const PlainId>(&b, 1))}, {a});
}

Value Builder::weighted_sum(std::span<const Value> a, std::span<const PlainId> b) {
  if (a.empty() || a.size() != b.size()) misuse(label_, "a weighted sum needs as many vectors as values, at least one");
  return push({.op = Op::weighted_sum, .inputs = ids_of(a), .plains = keep(b)});
}

Value Builder::multiply_plain(Value a, PlainId b) { return weighted_sum(std::span(&a, 1), std::span(&b, 1)); }

Value Builder::product_sum(std::span<const std::pair<Value, Value>> terms) {
  if (terms.empty()) misuse(label_, "a sum of products needs at least one term");
  std::vector<NodeId> inputs;
  inputs.reserve(2 * terms.size());
  for (const auto& [a, b] : terms) {
    inputs.push_back(a.id());
    inputs.push_back(b.id());
  }
  return push({.op = Op::product_sum, .inputs = keep(std::span<const NodeId>(inputs))});
}

Value Builder::multiply(Value a, Value b) {
  const std::pair<Value, Value> term{a, b};
  return product_sum(std::span(&term, 1));
}

Value Builder::sum_of_rotations(std::span<const Value> a, std::span<const int> steps) {
  if (a.empty() || a.size() != steps.size())
    misuse(label_, std::to_string(a.size()) + " values and " + std::to_string(steps.size()) + " rotations");
  if (a.size() == 1) return rotate(a[0], steps[0]);
  std::vector<int> rotations;
  for (const int step : steps) rotations.push_back(shortest(step));
  return push({.op = Op::rotation_sum, .inputs = ids_of(a), .rotations = keep(std::span<const int>(rotations))});
}

std::vector<Value> Builder::client_step(StepLabel label, std::span<const Value> inputs,
                                        std::vector<SlotSources> sources, std::size_t values,
                                        std::span<const Value> refresh, ClientFunction function) {
  if (program_.steps.empty() != (inputs.empty() && refresh.empty()))
    misuse(label.text, "only the first client step has no inputs");
  set_label(label);
  ClientStep step{.label = std::move(label.text), .function = function, .values = values};
  for (Value v : inputs) step.inputs.push_back(v.id());
  std::vector<Value> fresh;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const bool pair = program_.steps.empty() && sources[i].size() == 2 * program_.slots;
    if (!pair && sources[i].size() != program_.slots)
      misuse(label_, "a fresh encryption needs a source for every slot");
    fresh.push_back(push({.op = Op::fresh, .step = program_.steps.size(), .output = i}));
    step.outputs.push_back(fresh.back().id());
  }
  for (std::size_t i = 0; i < refresh.size(); ++i) {
    fresh.push_back(push({.op = Op::refresh, .step = program_.steps.size(), .output = i}, {refresh[i]}));
    step.refreshed.push_back(fresh.back().id());
  }
  step.sources = std::move(sources);
  program_.steps.push_back(std::move(step));
  return fresh;
}

Program Builder::finish(std::span<const Value> results, std::vector<SlotSource> outputs, std::size_t period) && {
  if (results.empty()) misuse(label_, "the program has no result");
  for (Value result : results) {
    if (result.id() >= program_.nodes.size()) misuse(label_, "a result is not a value of this program");
    program_.results.push_back(result.id());
  }
  program_.result_period = period == 0 ? program_.slots : period;
  if (!std::has_single_bit(program_.result_period) || program_.result_period > program_.slots)
    misuse(label_, "results of period " + std::to_string(period) + " in " + std::to_string(program_.slots) + " slots");
  for (const SlotSource& from : outputs)
    if (from.input < 0 || static_cast<std::size_t>(from.input) >= results.size() || from.slot >= program_.result_period)
      misuse(label_, "an output reads slot " + std::to_string(from.slot) + " of result " + std::to_string(from.input) +
                         "; there are " + std::to_string(results.size()) + " of " +
                         std::to_string(program_.result_period) + " slots");
  program_.result_slots = std::move(outputs);
  return std::move(program_);
}

Program Builder::finish(Value result, const std::vector<Slot>& slots) && {
  std::vector<SlotSource> outputs;
  for (const Slot slot : slots) outputs.push_back({0, slot, -1});
  return std::move(*this).finish(std::span(&result, 1), std::move(outputs));
}

namespace {

[[noreturn]] void refuse_to_fill() {
  throw Error(ErrorCode::internal, "the program was built without weights: it can be planned, not run");
}

}  // namespace

std::vector<double> PlainVector::values() const {
  if (!fill) refuse_to_fill();
  std::vector<double> all(complex ? 2 * period : period, 0.0);
  fill(all);
  return all;
}

std::vector<double> PlainSet::values(std::size_t number) const {
  if (!fill) refuse_to_fill();
  std::vector<double> all(complex ? 2 * period : period, 0.0);
  fill(number, all);
  return all;
}

std::vector<std::vector<double>> apply_client_step(const Program& program, std::size_t step,
                                                   std::span<const std::vector<double>> inputs,
                                                   const Lengths& lengths) {
  const ClientStep& s = program.steps.at(step);
  const std::size_t expected = step == 0 ? 1 : s.inputs.size();
  if (inputs.size() != expected)
    throw Error(ErrorCode::protocol, "client step '" + s.label + "' takes " + std::to_string(expected) +
                                         " vectors, got " + std::to_string(inputs.size()));
  std::vector<std::vector<double>> out;
  out.reserve(s.sources.size());
  for (const SlotSources& sources : s.sources) {
    std::vector<double> v(sources.size(), 0.0);
    const double factor = v.size() > program.slots ? 0.5 : 1;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const SlotSource from = sources[i];
      if (from.input == kZeroSource || (from.token >= 0 && from.token >= lengths.of(from))) continue;
      if (from.input == kInverseLengthSource) {
        v[i] = factor / lengths.of(from);
        continue;
      }
      const auto& source = inputs[static_cast<std::size_t>(from.input)];
      if (from.slot >= source.size()) misuse(s.label, "source slot out of range");
      const double x = source[from.slot];
      const double r = std::max(x, 0.0);
      v[i] = step == 0 ? factor * x : s.function == ClientFunction::relu ? r : r * r * r;
    }
    out.push_back(std::move(v));
  }
  return out;
}

std::vector<double> gather_outputs(const Program& program, std::span<const std::vector<double>> results,
                                   const Lengths& lengths) {
  if (results.size() != program.results.size())
    throw Error(ErrorCode::protocol, "the program has " + std::to_string(program.results.size()) + " results, got " +
                                         std::to_string(results.size()));
  std::vector<double> outputs;
  for (const SlotSource& from : program.result_slots)
    if (std::max(from.token, 0) < lengths.of(from))
      outputs.push_back(results[static_cast<std::size_t>(from.input)].at(from.slot));
  return outputs;
}

}  // namespace thex::circuit
