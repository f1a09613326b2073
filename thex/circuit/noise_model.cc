#include "thex/circuit/noise_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thex/circuit/clear.h"
#include "thex/ckks/masked_refresh.h"

namespace thex::circuit {
namespace {

std::size_t index(NodeId id) { return static_cast<std::size_t>(id); }

double mean(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += x;
  return v.empty() ? 0 : sum / static_cast<double>(v.size());
}

// What a node does with its inputs, slot by slot (vectors of `slots` entries) or on average (vectors of one entry).
struct NodeInputs {
  std::vector<const std::vector<double>*> squares;        // per input: squared values
  std::vector<const std::vector<double>*> variances;      // per input: variances of their errors
  std::vector<const std::vector<double>*> plain_squares;  // per plain: squared values, one period; or one entry
};

class Propagation {
 public:
  Propagation(const Program& program, const ProgramPlan& plan, const OperationNoise& noise)
      : program_(program), plan_(plan), noise_(noise) {}

  // The variance of a value's error once it is at `level` with its canonical scale.
  double lowering(NodeId input, int level, double mean_square) const {
    const int from = plan_.level[index(input)];
    if (from == level || program_.nodes[index(input)].op == Op::refreshed) return 0;
    return noise_.lowering(mean_square, noise_.scale(from), level);
  }

  // A fresh encryption: the error of encryption, encoding, and of what the client read at level 0.
  double fresh(NodeId id) const {
    const Node& node = program_.nodes[index(id)];
    const double scale = noise_.scale(plan_.level[index(id)]);
    double variance = noise_.encryption(scale) + noise_.encoding(program_.slots, scale);
    for (NodeId input : program_.steps[static_cast<std::size_t>(node.step)].inputs) {
      if (plan_.level[index(input)] == 0) continue;
      variance += noise_.rounding(noise_.scale(0));
      break;
    }
    return variance;
  }

  // The variances of any other node's slots.
  std::vector<double> variances(NodeId id, const NodeInputs& in) const {
    const Node& node = program_.nodes[index(id)];
    const int level = plan_.level[index(id)], operand_level = level + consumed_levels(node.op);
    const std::size_t n = in.squares.empty() ? 1 : in.squares[0]->size();
    const double scale = noise_.scale(level);
    std::vector<double> out(n, 0.0);
    const auto lowered = [&](std::size_t k) { return lowering(node.inputs[k], operand_level, mean(*in.squares[k])); };
    switch (node.op) {
      case Op::fresh:
        std::fill(out.begin(), out.end(), fresh(id));
        break;
      case Op::refreshed: {
        const double sent = noise_.scale(ckks::kRefreshLevel);
        const double more =
            lowering(node.inputs[0], ckks::kRefreshLevel, mean(*in.squares[0])) + noise_.encryption(sent);
        for (std::size_t i = 0; i < n; ++i) out[i] = (*in.variances[0])[i] + more;
        break;
      }
      case Op::rotate: {
        const double more = lowered(0) + noise_.key_switch(level, scale);
        const std::size_t shift = static_cast<std::size_t>(node.steps + (node.steps < 0 ? static_cast<int>(n) : 0)) % n;
        for (std::size_t i = 0; i < n; ++i) out[i] = (*in.variances[0])[(i + shift) % n] + more;
        break;
      }
      case Op::add:
      case Op::subtract: {
        if (node.inputs[0] == node.inputs[1]) {
          const double factor = node.op == Op::add ? 4 : 0, more = lowered(0);
          for (std::size_t i = 0; i < n; ++i) out[i] = factor * ((*in.variances[0])[i] + more);
          break;
        }
        const double more = lowered(0) + lowered(1);
        for (std::size_t i = 0; i < n; ++i) out[i] = (*in.variances[0])[i] + (*in.variances[1])[i] + more;
        break;
      }
      case Op::multiply_integer: {
        const double factor = static_cast<double>(node.factor) * node.factor, more = lowered(0);
        for (std::size_t i = 0; i < n; ++i) out[i] = factor * ((*in.variances[0])[i] + more);
        break;
      }
      case Op::add_plain: {
        const double more = lowered(0) + noise_.encoding(program_.plains[index(node.plains[0])].period, scale);
        for (std::size_t i = 0; i < n; ++i) out[i] = (*in.variances[0])[i] + more;
        break;
      }
      case Op::weighted_sum:
        weighted_sum(node, level, in, out);
        break;
      case Op::product_sum:
        std::fill(out.begin(), out.end(), noise_.relinearize_rescale(level, scale));
        for (std::size_t k = 0; k < node.inputs.size(); k += 2) {
          const std::vector<double>&a = *in.squares[k], &b = *in.squares[k + 1];
          const std::vector<double>&va = *in.variances[k], &vb = *in.variances[k + 1];
          const double more_a = lowered(k), more_b = lowered(k + 1);
          if (node.inputs[k] == node.inputs[k + 1]) {
            for (std::size_t i = 0; i < n; ++i) out[i] += 4 * a[i] * (va[i] + more_a);
          } else {
            for (std::size_t i = 0; i < n; ++i) {
              const double ea = va[i] + more_a, eb = vb[i] + more_b;
              out[i] += a[i] * eb + b[i] * ea + ea * eb;
            }
          }
        }
        break;
    }
    return out;
  }

 private:
  // Plaintexts are rounded at the scale that makes the product canonical; factors keep the scale they have.
  void weighted_sum(const Node& node, int level, const NodeInputs& in, std::vector<double>& out) const {
    const double scale = noise_.scale(level), target = scale * noise_.dropped_prime(level);
    std::fill(out.begin(), out.end(), noise_.rounding(scale));
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      const Node& factor = program_.nodes[index(node.inputs[k])];
      const int from = factor.op == Op::refreshed ? ckks::kRefreshLevel : plan_.level[index(node.inputs[k])];
      const double encoding =
          noise_.encoding(program_.plains[index(node.plains[k])].period, target / noise_.scale(from));
      const std::vector<double>&x = *in.squares[k], &v = *in.variances[k], &w = *in.plain_squares[k];
      const std::size_t period = std::min(w.size(), out.size());
      for (std::size_t base = 0; base < out.size(); base += period)
        for (std::size_t i = 0; i < period; ++i) out[base + i] += x[base + i] * encoding + w[i] * v[base + i];
    }
  }

  const Program& program_;
  const ProgramPlan& plan_;
  const OperationNoise& noise_;
};

// Follows a run of the clear interpreter with the variance of every slot.
class MeasuredNoise : public ClearObserver {
 public:
  MeasuredNoise(const Program& program, const ProgramPlan& plan, const OperationNoise& noise)
      : program_(program),
        propagation_(program, plan, noise),
        squares_(program.nodes.size()),
        variances_(program.nodes.size()),
        plain_squares_(program.plains.size()) {
    estimate_.magnitude.resize(program.nodes.size());
    estimate_.deviation.resize(program.nodes.size());
  }

  // ReLU lets the error of positive values through; the client's copies carry it to their places.
  void turn(std::size_t step, const Values& values) override {
    const ClientStep& s = program_.steps[step];
    inherited_.clear();
    for (const std::vector<SlotSource>& sources : s.sources) {
      std::vector<double>& v = inherited_.emplace_back(program_.slots, 0.0);
      for (std::size_t i = 0; i < v.size(); ++i) {
        if (sources[i].input < 0) continue;
        const std::size_t input = index(s.inputs[static_cast<std::size_t>(sources[i].input)]);
        const auto slot = static_cast<std::size_t>(sources[i].slot);
        if (values.nodes[input][slot] > 0) v[i] = variances_[input][slot];
      }
    }
  }

  void computed(NodeId id, std::vector<double>& slots, const Values& values) override {
    const Node& node = program_.nodes[index(id)];
    std::vector<double>& square = squares_[index(id)];
    square.resize(slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i) square[i] = slots[i] * slots[i];
    std::vector<double>& variance = variances_[index(id)];
    if (node.op == Op::fresh) {
      const bool inherits = node.step > 0;
      variance = inherits ? inherited_[static_cast<std::size_t>(node.output)] : std::vector<double>(slots.size(), 0.0);
      const double more = propagation_.fresh(id);
      for (double& v : variance) v += more;
    } else {
      NodeInputs in;
      for (NodeId input : node.inputs) {
        in.squares.push_back(&squares_[index(input)]);
        in.variances.push_back(&variances_[index(input)]);
      }
      if (node.op == Op::weighted_sum)
        for (PlainId plain : node.plains) in.plain_squares.push_back(&plain_squares(plain, values));
      variance = propagation_.variances(id, in);
    }
    estimate_.magnitude[index(id)] = std::sqrt(mean(square));
    estimate_.deviation[index(id)] = std::sqrt(mean(variance));
    if (id == program_.result)
      for (std::int32_t slot : program_.result_slots)
        estimate_.result.push_back(std::sqrt(variance[static_cast<std::size_t>(slot)]));
  }

  void released(NodeId id) override {
    std::vector<double>().swap(squares_[index(id)]);
    std::vector<double>().swap(variances_[index(id)]);
  }

  NoiseEstimate take() { return std::move(estimate_); }

 private:
  const std::vector<double>& plain_squares(PlainId id, const Values& values) {
    std::vector<double>& v = plain_squares_[index(id)];
    if (v.empty())
      for (double x : values.plain(id)) v.push_back(x * x);
    return v;
  }

  const Program& program_;
  Propagation propagation_;
  std::vector<std::vector<double>> squares_, variances_, plain_squares_, inherited_;
  NoiseEstimate estimate_;
};

double plain_mean_square(const PlainVector& plain, double assumed) {
  if (!plain.fill) return assumed * assumed;
  std::vector<double> v(plain.period, 0.0);
  plain.fill(v);
  for (double& x : v) x *= x;
  return mean(v);
}

// The mean square of a node's slots when its inputs are independent.
double assumed_square(const Node& node, const std::vector<double>& squares, const std::vector<double>& plains,
                      double fresh) {
  const auto in = [&](std::size_t k) { return squares[index(node.inputs[k])]; };
  const auto plain = [&](std::size_t k) { return plains[index(node.plains[k])]; };
  double sum = 0;
  switch (node.op) {
    case Op::fresh:
      return fresh;
    case Op::rotate:
    case Op::refreshed:
      return in(0);
    case Op::add:
      return node.inputs[0] == node.inputs[1] ? 4 * in(0) : in(0) + in(1);
    case Op::subtract:
      return node.inputs[0] == node.inputs[1] ? 0 : in(0) + in(1);
    case Op::multiply_integer:
      return static_cast<double>(node.factor) * node.factor * in(0);
    case Op::add_plain:
      return in(0) + plain(0);
    case Op::weighted_sum:
      for (std::size_t k = 0; k < node.inputs.size(); ++k) sum += in(k)*plain(k);
      return sum;
    case Op::product_sum:
      for (std::size_t k = 0; k < node.inputs.size(); k += 2) sum += in(k)*in(k + 1);
      return sum;
  }
  return sum;
}

}  // namespace

double NoiseEstimate::bits(NodeId id) const { return -std::log2(deviation[index(id)]); }

double NoiseEstimate::result_bits() const {
  double worst = 0;
  for (double d : result) worst = std::max(worst, d);
  return -std::log2(worst);
}

// E log2 |Z| = -(gamma + ln 2) / (2 ln 2) for a standard normal Z.
double expected_mean_bits(double deviation) { return -std::log2(deviation) + 0.9163; }

// The expected largest of n half-normal variables, near sqrt(2 ln n).
double expected_min_bits(double deviation, std::size_t slots) {
  const double n = static_cast<double>(std::max<std::size_t>(slots, 2));
  return -std::log2(deviation * std::sqrt(2 * std::log(n)));
}

NoiseEstimate estimate_noise(const Program& program, const ProgramPlan& plan, const OperationNoise& noise,
                             const AssumedMagnitudes& assumed) {
  const Propagation propagation(program, plan, noise);
  std::vector<double> plains;
  for (const PlainVector& p : program.plains) plains.push_back(plain_mean_square(p, assumed.weight));
  std::vector<std::vector<double>> plain_vectors;
  for (double p : plains) plain_vectors.push_back({p});
  const std::size_t n = program.nodes.size();
  std::vector<double> squares(n);
  std::vector<std::vector<double>> square_vectors(n), variances(n);
  NoiseEstimate estimate;
  for (std::size_t id = 0; id < n; ++id) {
    const Node& node = program.nodes[id];
    squares[id] = assumed_square(node, squares, plains, assumed.fresh * assumed.fresh);
    square_vectors[id] = {squares[id]};
    if (node.op == Op::fresh) {
      double inherited = 0;
      for (NodeId input : program.steps[static_cast<std::size_t>(node.step)].inputs)
        inherited = std::max(inherited, variances[index(input)][0]);
      variances[id] = {propagation.fresh(static_cast<NodeId>(id)) + inherited};
    } else {
      NodeInputs in;
      for (NodeId input : node.inputs) {
        in.squares.push_back(&square_vectors[index(input)]);
        in.variances.push_back(&variances[index(input)]);
      }
      for (PlainId plain : node.plains) in.plain_squares.push_back(&plain_vectors[index(plain)]);
      variances[id] = propagation.variances(static_cast<NodeId>(id), in);
    }
    estimate.magnitude.push_back(std::sqrt(squares[id]));
    estimate.deviation.push_back(std::sqrt(variances[id][0]));
  }
  estimate.result.assign(std::max<std::size_t>(1, program.result_slots.size()),
                         estimate.deviation[index(program.result)]);
  return estimate;
}

NoiseEstimate estimate_noise(const Program& program, const ProgramPlan& plan, const OperationNoise& noise,
                             std::span<const double> input, int sentence_length) {
  MeasuredNoise measured(program, plan, noise);
  run_clear(program, input, sentence_length, measured);
  return measured.take();
}

double added_variance(const Program& program, const ProgramPlan& plan, const OperationNoise& noise, NodeId id,
                      std::span<const double> mean_squares) {
  const Node& node = program.nodes[index(id)];
  const Propagation propagation(program, plan, noise);
  if (node.op == Op::fresh) return propagation.fresh(id);
  static const std::vector<double> kNone = {0.0}, kOne = {1.0};
  std::vector<std::vector<double>> squares;
  for (double s : mean_squares) squares.push_back({s});
  NodeInputs in;
  for (const std::vector<double>& s : squares) in.squares.push_back(&s);
  in.variances.assign(squares.size(), &kNone);
  in.plain_squares.assign(node.plains.size(), &kOne);
  return propagation.variances(id, in)[0];
}

NodeId where_precision_falls(const Program& program, const NoiseEstimate& estimate, double wanted_bits) {
  NodeId at = program.result;
  for (;;) {
    const Node& node = program.nodes[index(at)];
    const std::vector<NodeId>& from =
        node.op == Op::fresh ? program.steps[static_cast<std::size_t>(node.step)].inputs : node.inputs;
    NodeId worst = -1;
    for (NodeId input : from)
      if (worst < 0 || estimate.deviation[index(input)] > estimate.deviation[index(worst)]) worst = input;
    if (worst < 0 || estimate.bits(worst) >= wanted_bits) return at;
    at = worst;
  }
}

}  // namespace thex::circuit
