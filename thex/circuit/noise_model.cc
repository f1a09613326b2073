#include "thex/circuit/noise_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>

#include "thex/circuit/levels.h"
#include "thex/circuit/refresh.h"

namespace thex::circuit {
namespace {

// Mean squares of what a node works on, and the variances of its inputs' errors.
struct NodeInputs {
  std::vector<double> squares, variances;  // per input
  std::vector<double> plain_squares;       // per plain
  std::vector<double> factor_squares;      // per set of a linear transform's factors: of one of them

  void clear() { squares.clear(), variances.clear(), plain_squares.clear(), factor_squares.clear(); }
};

class Propagation {
 public:
  Propagation(const Program& program, const ProgramPlan& plan, const OperationNoise& noise)
      : program_(program), plan_(plan), noise_(noise) {}

  // The variance of a slot's error in node `id`.
  double variance(NodeId id, const NodeInputs& in) const {
    const Node& node = program_.nodes[id];
    const ckks::Level level = plan_.level[id], operand_level = input_level(node, level);
    const double scale = noise_.scale(level);
    // An input's error once it is at the operation's level with its canonical scale.
    const auto lowered = [&](std::size_t k) {
      return in.variances[k] + lowering(node.inputs[k], operand_level, in.squares[k]);
    };
    switch (node.op) {
      case Op::fresh:
        return fresh(node, scale);
      case Op::refresh:
        return lowered(0) + refresh(node.refresh);
      case Op::rotate:
        return lowered(0) + noise_.key_switch(level, scale);
      case Op::add:
        return node.inputs[0] == node.inputs[1] ? 4 * lowered(0) : lowered(0) + lowered(1);
      case Op::subtract:
        return node.inputs[0] == node.inputs[1] ? 0 : lowered(0) + lowered(1);
      case Op::multiply_integer:
        return static_cast<double>(node.factor) * node.factor * lowered(0);
      case Op::multiply_i:
        return lowered(0);
      case Op::conjugate:
        return lowered(0) + noise_.key_switch(level, scale);
      case Op::twice_real:  // the conjugate carries the same error, and its own
      case Op::twice_imaginary:
        return 4 * lowered(0) + std::max(0.0, lowered(1) - lowered(0));
      case Op::add_plain:
        return lowered(0) + noise_.encoding(program_.plains[node.plains[0]].period, scale);
      case Op::weighted_sum:
        return weighted_sum(node, level, in);
      case Op::rotation_sum: {
        double sum = 0;
        for (std::size_t k = 0; k < node.inputs.size(); ++k)
          sum += lowered(k) + (node.rotations[k] == 0 ? 0 : noise_.key_switch(level, scale));
        return sum;
      }
      case Op::linear_transform:
        return linear_transform(node, level, in);
      case Op::product_sum: {
        double sum = noise_.relinearize_rescale(level, scale);
        for (std::size_t k = 0; k < node.inputs.size(); k += 2) {
          const double a = in.squares[k], b = in.squares[k + 1], ea = lowered(k), eb = lowered(k + 1);
          sum += node.inputs[k] == node.inputs[k + 1] ? 4 * a * ea : a * eb + b * ea + ea * eb;
        }
        return sum;
      }
    }
    return 0;
  }

 private:
  double lowering(NodeId input, ckks::Level level, double mean_square) const {
    const ckks::Level from = plan_.level[input];
    return from == level ? 0 : noise_.lowering(mean_square, noise_.scale(from), level);
  }

  // The error of encryption and encoding, and of what the client read: of its new second half and of lowering to level
  // 0.
  double fresh(const Node& node, double scale) const {
    double variance = noise_.encryption(scale) + noise_.encoding(program_.slots, scale);
    const std::vector<NodeId>& inputs = program_.steps[node.step].inputs;
    if (!inputs.empty()) variance += noise_.public_encryption(noise_.scale(0));
    for (NodeId input : inputs) {
      if (plan_.level[input] == 0) continue;
      variance += noise_.rounding(noise_.scale(0));
      break;
    }
    return variance;
  }

  // What a refresh adds to a value at the level where it takes it.
  double refresh(RefreshMethod method) const {
    const double scale = noise_.scale(rule_of(method).input);
    switch (method) {
      case RefreshMethod::masked_round:  // what the client gets is re-randomised and rounded, and encrypted by it
        return noise_.public_encryption(scale) + noise_.rounded_sending(scale) + noise_.encryption(scale);
    }
    throw Error(ErrorCode::internal, "a way of refreshing without a noise model");
  }

  // Plaintexts are rounded at the scale that makes the product canonical; factors keep the scale they have.
  double weighted_sum(const Node& node, ckks::Level level, const NodeInputs& in) const {
    const double scale = noise_.scale(level), target = scale * noise_.dropped_prime(level);
    double sum = noise_.rounding(scale);
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      const ckks::Level from = plan_.scale_level[node.inputs[k]];
      const std::size_t period = program_.plains[node.plains[k]].period;
      sum +=
          in.squares[k] * noise_.encoding(period, target / noise_.scale(from)) + in.plain_squares[k] * in.variances[k];
    }
    return sum;
  }

  // Baby steps switch keys before the product; giant steps after it, at the product's scale, where nothing is to be
  // seen of it, and after the division by P the result is rounded once.
  double linear_transform(const Node& node, ckks::Level level, const NodeInputs& in) const {
    const Transform& transform = program_.transforms[node.transform];
    const double scale = noise_.scale(level), target = scale * noise_.dropped_prime(level);
    double sum = noise_.rounding(scale);
    for (const TransformTerms::Use& use : transform.terms->uses) {
      const double own = noise_.scale(plan_.scale_level[node.inputs[use.input]]);
      const auto terms = static_cast<double>(use.terms), rotated = static_cast<double>(use.rotated);
      sum +=
          terms * in.squares[use.input] * noise_.encoding((*transform.factors)[use.set].period, target / own) +
          in.factor_squares[use.set] * (terms * in.variances[use.input] + rotated * noise_.key_switch(level + 1, own));
    }
    return sum;
  }

  const Program& program_;
  const ProgramPlan& plan_;
  const OperationNoise& noise_;
};

double plain_mean_square(const PlainVector& plain) {
  double sum = 0;
  for (double x : plain.values()) sum += x * x;
  return sum / static_cast<double>(plain.period);
}

// Of one of a set, on average.
double plain_mean_square(const PlainSet& set) {
  double sum = 0;
  for (std::size_t k = 0; k < set.count; ++k)
    for (double x : set.values(k)) sum += x * x;
  return sum / static_cast<double>(set.period * std::max<std::size_t>(1, set.count));
}

// The mean squares of plain vectors: known, or assumed.
class PlainSquares {
 public:
  explicit PlainSquares(const Program& program) : program_(program), known_(program.plains.size(), -1) {}

  // Of all that a node multiplies by.
  void of(const Node& node, NodeInputs& in) const {
    for (const PlainId plain : node.plains) in.plain_squares.push_back(of(node, plain));
    if (node.op != Op::linear_transform) return;
    const std::vector<PlainSet>& factors = *program_.transforms[node.transform].factors;
    for (const PlainSet& set : factors) {
      if (set.magnitude > 0) {
        in.factor_squares.push_back(set.magnitude * set.magnitude);
      } else if (!set.fill) {
        in.factor_squares.push_back((set.complex ? 2 : 1) * std::pow(set.gain * node.assumed.weight, 2));
      } else {
        const auto [it, inserted] = known_sets_.try_emplace(&set, 0.0);
        if (inserted) it->second = plain_mean_square(set);
        in.factor_squares.push_back(it->second);
      }
    }
  }

 private:
  double of(const Node& node, PlainId id) const {
    const PlainVector& plain = program_.plains[id];
    if (plain.magnitude > 0) return plain.magnitude * plain.magnitude;
    if (!plain.fill) return (plain.complex ? 2 : 1) * std::pow(plain.gain * node.assumed.weight, 2);
    if (known_[id] < 0) known_[id] = plain_mean_square(plain);
    return known_[id];
  }

  const Program& program_;
  mutable std::vector<double> known_;
  mutable std::map<const PlainSet*, double> known_sets_;
};

// The mean square of a node's slots when its inputs are independent.
double mean_square(const Program& program, const Node& node, const NodeInputs& in) {
  const std::vector<double>&x = in.squares, &w = in.plain_squares;
  double sum = 0;
  switch (node.op) {
    case Op::fresh:
    case Op::rotate:
    case Op::refresh:
    case Op::multiply_i:
    case Op::conjugate:
      return x[0];
    case Op::twice_real:  // both parts of a pair count alike
    case Op::twice_imaginary:
      return 2 * x[0];
    case Op::add:
      return node.inputs[0] == node.inputs[1] ? 4 * x[0] : x[0] + x[1];
    case Op::subtract:
      return node.inputs[0] == node.inputs[1] ? 0 : x[0] + x[1];
    case Op::multiply_integer:
      return static_cast<double>(node.factor) * node.factor * x[0];
    case Op::add_plain:
      return x[0] + w[0];
    case Op::weighted_sum:
      for (std::size_t k = 0; k < x.size(); ++k) sum += x[k] * w[k];
      return sum;
    case Op::product_sum:
      for (std::size_t k = 0; k < x.size(); k += 2) sum += x[k] * x[k + 1];
      return sum;
    case Op::rotation_sum:
      for (const double square : x) sum += square;
      return sum;
    case Op::linear_transform:
      for (const TransformTerms::Use& use : program.transforms[node.transform].terms->uses)
        sum += static_cast<double>(use.terms) * x[use.input] * in.factor_squares[use.set];
      return sum;
  }
  return sum;
}

}  // namespace

double NoiseEstimate::bits(NodeId id) const { return -std::log2(deviation[id]); }

double NoiseEstimate::result_bits() const {
  double worst = 0;
  for (const double d : result) worst = std::max(worst, std::isnan(d) ? std::numeric_limits<double>::infinity() : d);
  return -std::log2(worst);
}

// E log2 |Z| = -(gamma + ln 2) / (2 ln 2) for a standard normal Z.
double expected_mean_bits(double deviation) { return -std::log2(deviation) + 0.9163; }

// The expected largest of n half-normal variables, near sqrt(2 ln n).
double expected_min_bits(double deviation, std::size_t slots) {
  const double n = static_cast<double>(std::max<std::size_t>(slots, 2));
  return -std::log2(deviation * std::sqrt(2 * std::log(n)));
}

std::vector<double> mean_squares(const Program& program) {
  const PlainSquares plains(program);
  std::vector<double> squares;
  squares.reserve(program.nodes.size());
  NodeInputs in;
  for (const Node& node : program.nodes) {
    in.clear();
    for (const NodeId input : node.inputs) in.squares.push_back(squares[input]);
    plains.of(node, in);
    if (node.op == Op::fresh) in.squares = {node.assumed.fresh * node.assumed.fresh};
    squares.push_back(mean_square(program, node, in));
    // What the client encrypts has its own size, and what is refreshed that of the input.
    if (!starts_chain(node)) squares.back() = std::min(squares.back(), std::pow(node.assumed.limit, 2));
    if (node.assumed.known > 0) squares.back() = std::pow(node.assumed.known, 2);
  }
  return squares;
}

namespace {

// What errors that came to values of known sensitivity make of the results: their variance there.
class ResultErrors {
 public:
  explicit ResultErrors(const std::vector<Sensitivity>& points) : points_(points) {
    for (std::size_t k = 0; k < points.size(); ++k)
      for (const NodeId id : points[k].values) places_.emplace(id, k);
  }

  // The place in the list of the values that the node is one of.
  std::optional<std::size_t> place(NodeId id) const {
    const auto it = places_.find(id);
    return it == places_.end() ? std::nullopt : std::optional(it->second);
  }
  // Adds the variance that one of the values at a place got since the places before.
  void add(std::size_t place, double variance) {
    variance_ += std::pow(points_[place].of_results, 2) * variance / static_cast<double>(points_[place].values.size());
  }
  double variance() const { return variance_; }
  // The same as an error of the values at a place.
  double at(std::size_t place) const { return variance_ / std::pow(points_[place].of_results, 2); }

 private:
  const std::vector<Sensitivity>& points_;
  std::unordered_map<NodeId, std::size_t> places_;
  double variance_ = 0;
};

// What the client's function makes of the errors that it reads.
double inherited(const Program& program, const Node& node, const std::vector<double>& variances) {
  if (node.op != Op::fresh) return 0;
  double most = 0;
  for (const NodeId input : program.steps[node.step].inputs) most = std::max(most, variances[input]);
  // r^3 carries an error of r on 3 r^2 times.
  const bool cubed = program.steps[node.step].function == ClientFunction::relu_cubed;
  return cubed ? most * 9 * std::pow(node.assumed.fresh, 4.0 / 3) : most;
}

}  // namespace

NoiseEstimate estimate_noise(const Program& program, const ProgramPlan& plan, const OperationNoise& noise) {
  const Propagation propagation(program, plan, noise);
  const PlainSquares plains(program);
  const std::vector<double> squares = mean_squares(program);
  const bool measured = !program.sensitivities.empty();
  ResultErrors errors(program.sensitivities);
  std::vector<double> variances, recent;  // recent: what was added since the last values of known sensitivity
  NoiseEstimate estimate;
  NodeInputs in;
  for (std::size_t id = 0; id < program.nodes.size(); ++id) {
    const Node& node = program.nodes[id];
    in.clear();
    for (const NodeId input : node.inputs) in.squares.push_back(squares[input]);
    plains.of(node, in);
    const auto carried_from = [&](const std::vector<double>& all) {
      in.variances.clear();
      for (const NodeId input : node.inputs) in.variances.push_back(all[input]);
      return propagation.variance(id, in) + inherited(program, node, all);
    };
    variances.push_back(carried_from(variances));
    if (measured) recent.push_back(carried_from(recent));
    if (const std::optional<std::size_t> place = errors.place(id)) {
      errors.add(*place, recent.back());
      if (program.sensitivities[*place].all_pass) variances.back() = errors.at(*place);
      recent.back() = 0;
    }
  }
  if (measured)
    for (const NodeId result : program.results) variances[result] = recent[result] + errors.variance();
  for (std::size_t id = 0; id < program.nodes.size(); ++id) {
    estimate.magnitude.push_back(std::sqrt(squares[id]));
    estimate.deviation.push_back(std::sqrt(variances[id]));
  }
  for (const SlotSource& from : program.result_slots)
    estimate.result.push_back(estimate.deviation[program.results[static_cast<std::size_t>(from.input)]]);
  return estimate;
}

struct AddedVariance::Impl {
  const Program& program;
  const OperationNoise noise;
  const Propagation propagation;
  const PlainSquares plains;

  Impl(const Program& of, const ProgramPlan& plan, const OperationNoise& operations)
      : program(of), noise(operations), propagation(of, plan, noise), plains(of) {}
};

AddedVariance::AddedVariance(const Program& program, const ProgramPlan& plan, const OperationNoise& noise)
    : impl_(std::make_unique<const Impl>(program, plan, noise)) {}
AddedVariance::~AddedVariance() = default;

// Plain vectors of other nodes carry errors of inputs only.
double AddedVariance::of(NodeId id, std::span<const double> mean_squares) const {
  const Node& node = impl_->program.nodes[id];
  NodeInputs in;
  in.squares.assign(mean_squares.begin(), mean_squares.end());
  in.variances.assign(in.squares.size(), 0.0);
  if (node.op == Op::linear_transform)
    impl_->plains.of(node, in);
  else
    in.plain_squares.assign(node.plains.size(), 0.0);
  return impl_->propagation.variance(id, in);
}

NodeId where_precision_falls(const Program& program, const NoiseEstimate& estimate, double wanted_bits) {
  NodeId at = program.results.front();
  for (NodeId id : program.results)
    if (estimate.deviation[id] > estimate.deviation[at]) at = id;
  for (;;) {
    const Node& node = program.nodes[at];
    const std::span<const NodeId> from = node.op == Op::fresh ? program.steps[node.step].inputs : node.inputs;
    NodeId worst = kNoId;
    for (NodeId input : from)
      if (worst == kNoId || estimate.deviation[input] > estimate.deviation[worst]) worst = input;
    if (worst == kNoId || estimate.bits(worst) >= wanted_bits) return at;
    at = worst;
  }
}

}  // namespace thex::circuit
