#include "thex/circuit/program.h"

#include <algorithm>
#include <bit>

#include "thex/base/error.h"

namespace thex::circuit {
namespace {

[[noreturn]] void misuse(const std::string& label, const std::string& what) {
  throw Error(ErrorCode::internal, "circuit step '" + label + "': " + what);
}

}  // namespace

int consumed_levels(Op op) { return op == Op::weighted_sum || op == Op::product_sum ? 1 : 0; }

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
    case Op::refreshed:
      return "refreshed";
    case Op::subtract:
      return "subtract";
    case Op::multiply_integer:
      return "multiply_integer";
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

Builder::Builder(std::size_t slots) {
  if (!std::has_single_bit(slots))
    throw Error(ErrorCode::internal, "slot count " + std::to_string(slots) + " is not a power of two");
  program_.slots = slots;
}

PlainId Builder::plain(PlainVector vector) {
  if (!std::has_single_bit(vector.period) || vector.period > program_.slots)
    misuse(label_, "plain vector of period " + std::to_string(vector.period) + " in " + std::to_string(program_.slots) +
                       " slots");
  program_.plains.push_back(std::move(vector));
  return program_.plains.size() - 1;
}

Value Builder::push(Node node) {
  for (NodeId input : node.inputs)
    if (input >= program_.nodes.size()) misuse(label_, "operand is not a value of this program");
  node.label = label_;
  program_.nodes.push_back(std::move(node));
  return Value(program_.nodes.size() - 1);
}

// The rotation nearest to none that does the same.
int Builder::shortest(int steps) const {
  const int slots = static_cast<int>(program_.slots);
  steps %= slots;
  if (steps > slots / 2) steps -= slots;
  if (steps <= -slots / 2) steps += slots;
  return steps;
}

void Builder::fuse(FusedTransform transform) {
  transform.giant_step = shortest(transform.giant_step);
  for (auto& [g, terms] : transform.at)
    for (FusedTransform::Term& term : terms) term.steps = shortest(term.steps);
  program_.transforms.push_back(std::move(transform));
}

Value Builder::rotate(Value a, int steps) {
  steps = shortest(steps);
  if (steps == 0) return a;
  const auto key = std::make_pair(a.id(), steps);
  if (const auto it = rotations_.find(key); it != rotations_.end()) return Value(it->second);
  const Value r = push({.op = Op::rotate, .inputs = {a.id()}, .steps = steps});
  rotations_.emplace(key, r.id());
  return r;
}

Value Builder::add(Value a, Value b) { return push({.op = Op::add, .inputs = {a.id(), b.id()}}); }

Value Builder::subtract(Value a, Value b) { return push({.op = Op::subtract, .inputs = {a.id(), b.id()}}); }

Value Builder::multiply_integer(Value a, int factor) {
  if (factor < -kMaxIntegerFactor || factor > kMaxIntegerFactor)
    misuse(label_, "the integer factor " + std::to_string(factor) + " is outside -2^20..2^20");
  return factor == 1 ? a : push({.op = Op::multiply_integer, .inputs = {a.id()}, .factor = factor});
}

Value Builder::pair(Value a, Value b) { return add(a, push({.op = Op::multiply_i, .inputs = {b.id()}})); }

Value Builder::twice_first(Value pair) {
  const Value conjugate = push({.op = Op::conjugate, .inputs = {pair.id()}});
  return push({.op = Op::twice_real, .inputs = {pair.id(), conjugate.id()}});
}

std::pair<Value, Value> Builder::twice_parts(Value pair) {
  const Value conjugate = push({.op = Op::conjugate, .inputs = {pair.id()}});
  return {push({.op = Op::twice_real, .inputs = {pair.id(), conjugate.id()}}),
          push({.op = Op::twice_imaginary, .inputs = {pair.id(), conjugate.id()}})};
}

Value Builder::add_plain(Value a, PlainId b) { return push({.op = Op::add_plain, .inputs = {a.id()}, .plains = {b}}); }

Value Builder::weighted_sum(std::span<const Value> a, std::span<const PlainId> b) {
  if (a.empty() || a.size() != b.size()) misuse(label_, "a weighted sum needs as many vectors as values, at least one");
  Node node{.op = Op::weighted_sum, .plains = {b.begin(), b.end()}};
  for (Value v : a) node.inputs.push_back(v.id());
  return push(std::move(node));
}

Value Builder::multiply_plain(Value a, PlainId b) { return weighted_sum(std::span(&a, 1), std::span(&b, 1)); }

Value Builder::product_sum(std::span<const std::pair<Value, Value>> terms) {
  if (terms.empty()) misuse(label_, "a sum of products needs at least one term");
  Node node{.op = Op::product_sum};
  for (const auto& [a, b] : terms) {
    node.inputs.push_back(a.id());
    node.inputs.push_back(b.id());
  }
  return push(std::move(node));
}

Value Builder::multiply(Value a, Value b) {
  const std::pair<Value, Value> term{a, b};
  return product_sum(std::span(&term, 1));
}

Value Builder::sum_of_rotations(std::span<const Value> a, std::span<const int> steps) {
  if (a.empty() || a.size() != steps.size())
    misuse(label_, std::to_string(a.size()) + " values and " + std::to_string(steps.size()) + " rotations");
  RotationSum sum;
  Value total;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const Value rotated = rotate(a[k], steps[k]);
    total = k == 0 ? rotated : add(total, rotated);
    sum.inputs.push_back(a[k].id());
    sum.steps.push_back(shortest(steps[k]));
  }
  sum.output = total.id();
  if (a.size() > 1) program_.rotation_sums.push_back(std::move(sum));
  return total;
}

std::vector<Value> Builder::client_step(std::string label, std::span<const Value> inputs,
                                        std::vector<std::vector<SlotSource>> sources, std::size_t values,
                                        std::span<const Value> refresh, ClientFunction function) {
  if (program_.steps.empty() != inputs.empty()) misuse(label, "only the first client step has no inputs");
  label_ = label;
  ClientStep step{.label = std::move(label), .function = function, .values = values};
  for (Value v : inputs) step.inputs.push_back(v.id());
  std::vector<Value> fresh;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const bool pair = inputs.empty() && sources[i].size() == 2 * program_.slots;
    if (!pair && sources[i].size() != program_.slots)
      misuse(label_, "a fresh encryption needs a source for every slot");
    fresh.push_back(push({.op = Op::fresh, .step = program_.steps.size(), .output = i}));
    step.outputs.push_back(fresh.back().id());
  }
  for (std::size_t i = 0; i < refresh.size(); ++i) {
    fresh.push_back(
        push({.op = Op::refreshed, .inputs = {refresh[i].id()}, .step = program_.steps.size(), .output = i}));
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

std::vector<double> PlainVector::values() const {
  if (!fill) throw Error(ErrorCode::internal, "the program was built without weights: it can be planned, not run");
  std::vector<double> all(complex ? 2 * period : period, 0.0);
  fill(all);
  return all;
}

int Lengths::of(const SlotSource& source) const {
  const auto sentence = static_cast<std::size_t>(source.sentence);
  if (sentence >= tokens_.size())
    throw Error(ErrorCode::internal, "a batch needs the length of sentence " + std::to_string(sentence) +
                                         ", there are " + std::to_string(tokens_.size()));
  return tokens_[sentence];
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
  for (const auto& sources : s.sources) {
    std::vector<double> v(sources.size(), 0.0);
    const double factor = v.size() > program.slots ? 0.5 : 1;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const SlotSource& from = sources[i];
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
