#include "thex/circuit/run/clear.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "thex/base/error.h"
#include "thex/circuit/noise_model.h"

namespace thex::circuit {
namespace {

// Part i of slots that may be a pair or real: a real vector's imaginary parts are zero.
double at(const std::vector<double>& slots, std::size_t i) { return i < slots.size() ? slots[i] : 0.0; }

// Adds to every result the error that its operation would.
class Noise {
 public:
  // `added` must outlive it.
  Noise(const Program& program, const AddedVariance& added, std::uint64_t seed)
      : program_(program), added_(added), mean_squares_(program.nodes.size()), state_(seed) {}

  void after(NodeId id, std::vector<double>& slots) {
    const Node& node = program_.nodes[id];
    std::vector<double> inputs;
    for (NodeId input : node.inputs) inputs.push_back(mean_squares_[input]);
    const double deviation = std::sqrt(added_.of(id, inputs));
    if (deviation > 0) {
      for (double& x : slots) x += deviation * bell();
    }
    double sum = 0;
    for (double x : slots) sum += x * x;
    mean_squares_[id] = sum / static_cast<double>(program_.slots);
  }

 private:
  // Unit variance, close to a Gaussian: the sum of four uniform 16-bit numbers of one SplitMix64 word.
  double bell() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    const double sum = static_cast<double>(z & 0xffff) + static_cast<double>(z >> 16 & 0xffff) +
                       static_cast<double>(z >> 32 & 0xffff) + static_cast<double>(z >> 48);
    return (sum - 131070.0) * (1.7320508075688772 / 65536.0);
  }

  const Program& program_;
  const AddedVariance& added_;
  std::vector<double> mean_squares_;
  std::uint64_t state_;
};

// What runs of one program share: plain vectors, filled on first use, and what operations add under the one noise
// model.
struct Shared {
  std::optional<AddedVariance> added;
  std::vector<std::vector<double>> vectors;
  std::map<std::tuple<const std::vector<PlainSet>*, std::uint32_t, std::uint32_t>, std::vector<double>> factors;
};

class Interpreter {
 public:
  Interpreter(const Program& program, std::span<const double> embeddings, Lengths lengths,
              const std::optional<NoiseModel>& noise, bool keep_all, std::shared_ptr<Shared> shared = nullptr)
      : program_(program),
        lengths_(std::move(lengths)),
        keep_all_(keep_all),
        values_(program.nodes.size()),
        uses_(program.nodes.size()) {
    for (const Node& node : program.nodes)
      for (NodeId input : node.inputs) ++uses_[input];
    for (const ClientStep& step : program.steps)
      for (NodeId input : step.inputs) ++uses_[input];
    for (NodeId result : program.results) ++uses_[result];
    shared_ = shared ? std::move(shared) : std::make_shared<Shared>();
    shared_->vectors.resize(program.plains.size());
    if (noise) {
      if (!shared_->added) shared_->added.emplace(program, *noise->plan, OperationNoise(*noise->context));
      noise_.emplace(program, *shared_->added, noise->seed);
    }
    const std::vector<double> clear(embeddings.begin(), embeddings.end());
    fresh_ = apply_client_step(program, 0, std::span(&clear, 1), lengths_);
  }

  ClearResult run() {
    for (std::size_t id = 0; id < program_.nodes.size(); ++id) {
      compute(id);
      release_inputs(id);
    }
    return finish();
  }

  // Nodes in order; a node's inputs can be released after it was computed.
  void compute(std::size_t id) {
    const Node& node = program_.nodes[id];
    if (node.op == Op::fresh) {
      while (next_step_ <= node.step) turn(next_step_++);
      values_[id] = fresh_[node.output];
    } else {
      values_[id] = evaluate(node);
    }
    if (noise_) noise_->after(id, values_[id]);
    for (double x : values_[id]) result_.max_value = std::max(result_.max_value, std::abs(x));
  }
  void release_inputs(std::size_t id) {
    for (NodeId input : program_.nodes[id].inputs) release(input);
  }
  const std::vector<double>& value(std::size_t id) const { return values_[id]; }
  const std::shared_ptr<Shared>& shared() const { return shared_; }

  ClearResult finish() {
    std::vector<std::vector<double>> results;
    for (NodeId id : program_.results) {
      results.push_back(values_[id]);
      see(results.back());
    }
    result_.logits = gather_outputs(program_, results, lengths_);
    return result_;
  }

  std::vector<std::vector<double>> take_values() { return std::move(values_); }

 private:
  void turn(std::size_t step) {
    if (step == 0) return;
    std::vector<std::vector<double>> inputs;
    for (NodeId input : program_.steps[step].inputs) {
      inputs.push_back(values_[input]);
      see(inputs.back());
      release(input);
    }
    fresh_ = apply_client_step(program_, step, inputs, lengths_);
  }

  void see(const std::vector<double>& v) {
    for (double x : v) result_.max_client_value = std::max(result_.max_client_value, std::abs(x));
  }

  void release(NodeId id) {
    if (--uses_[id] == 0 && !keep_all_) std::vector<double>().swap(values_[id]);
  }

  const std::vector<double>& plain(PlainId id) {
    auto& v = shared_->vectors[id];
    if (v.empty()) v = program_.plains[id].values();
    return v;
  }
  const std::vector<double>& factor(const Transform& transform, const TransformTerms::Term& term) {
    auto& v = shared_->factors[{transform.factors.get(), term.set, term.number}];
    if (v.empty()) v = (*transform.factors)[term.set].values(term.number);
    return v;
  }

  const std::vector<double>& input(const Node& node, std::size_t k) const { return values_[node.inputs[k]]; }
  const PlainVector& plain_vector(const Node& node, std::size_t k) const { return program_.plains[node.plains[k]]; }

  // A pair is held as its real and then its imaginary parts.
  bool makes_pair(const Node& node) const {
    if (node.op == Op::twice_real || node.op == Op::twice_imaginary) return false;
    bool pair = node.op == Op::multiply_i;
    for (std::size_t k = 0; k < node.inputs.size(); ++k) pair = pair || input(node, k).size() > program_.slots;
    for (std::size_t k = 0; k < node.plains.size(); ++k) pair = pair || plain_vector(node, k).complex;
    if (node.op == Op::linear_transform)
      for (const PlainSet& set : *program_.transforms[node.transform].factors) pair = pair || set.complex;
    return pair;
  }

  std::vector<double> evaluate(const Node& node) {
    if (node.op == Op::refresh) return input(node, 0);
    const std::size_t n = program_.slots;
    std::vector<double> out(makes_pair(node) ? 2 * n : n, 0.0);
    switch (node.op) {
      case Op::fresh:
      case Op::refresh:
        break;
      case Op::rotate:
        out = rotated(input(node, 0), node.steps);
        break;
      case Op::add:
      case Op::subtract: {
        const double sign = node.op == Op::add ? 1 : -1;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = at(input(node, 0), i) + sign * at(input(node, 1), i);
        break;
      }
      case Op::multiply_integer:
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = node.factor * input(node, 0)[i];
        break;
      case Op::multiply_i:
        for (std::size_t i = 0; i < n; ++i) out[i] = -at(input(node, 0), n + i), out[n + i] = input(node, 0)[i];
        break;
      case Op::conjugate:
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = i < n ? input(node, 0)[i] : -input(node, 0)[i];
        break;
      case Op::twice_real:
        for (std::size_t i = 0; i < n; ++i) out[i] = input(node, 0)[i] + input(node, 1)[i];
        break;
      case Op::twice_imaginary:
        for (std::size_t i = 0; i < n; ++i) out[i] = at(input(node, 0), n + i) - at(input(node, 1), n + i);
        break;
      case Op::add_plain:
        add_plain(node, out);
        break;
      case Op::weighted_sum:
        for (std::size_t k = 0; k < node.inputs.size(); ++k)
          add_weighted(input(node, k), plain(node.plains[k]), plain_vector(node, k).period,
                       plain_vector(node, k).complex, out);
        break;
      case Op::rotation_sum:
        for (std::size_t k = 0; k < node.inputs.size(); ++k) add(rotated(input(node, k), node.rotations[k]), out);
        break;
      case Op::linear_transform:
        transform(node, out);
        break;
      case Op::product_sum:
        for (std::size_t k = 0; k < node.inputs.size(); k += 2) add_product(input(node, k), input(node, k + 1), out);
        break;
    }
    return out;
  }

  // Real and imaginary parts alike.
  std::vector<double> rotated(const std::vector<double>& x, int steps) const {
    std::vector<double> out(x.size());
    const auto n = static_cast<std::ptrdiff_t>(program_.slots);
    const std::ptrdiff_t shift = ((steps % n) + n) % n;
    for (std::ptrdiff_t begin = 0; begin < static_cast<std::ptrdiff_t>(x.size()); begin += n) {
      const auto from = x.begin() + begin;
      std::rotate_copy(from, from + shift, from + n, out.begin() + begin);
    }
    return out;
  }

  static void add(const std::vector<double>& x, std::vector<double>& out) {
    for (std::size_t i = 0; i < x.size(); ++i) out[i] += x[i];
  }

  void transform(const Node& node, std::vector<double>& out) {
    const Transform& of = program_.transforms[node.transform];
    std::vector<std::vector<double>> babies;
    for (const auto& [number, steps] : of.terms->rotations) babies.push_back(rotated(input(node, number), steps));
    std::vector<double> inner(out.size());
    for (const auto& [giant, terms] : of.terms->at) {
      std::ranges::fill(inner, 0.0);
      for (const TransformTerms::Term& term : terms) {
        const PlainSet& set = (*of.factors)[term.set];
        const std::vector<double>& x =
            term.rotation < 0 ? input(node, term.input) : babies[static_cast<std::size_t>(term.rotation)];
        add_weighted(x, factor(of, term), set.period, set.complex, inner);
      }
      add(rotated(inner, giant * of.terms->giant_step), out);
    }
  }

  void add_plain(const Node& node, std::vector<double>& out) {
    const std::size_t n = program_.slots;
    const PlainVector& vector = plain_vector(node, 0);
    const auto& p = plain(node.plains[0]);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = at(input(node, 0), i);
    for (std::size_t i = 0; i < n; ++i) out[i] += p[i & (vector.period - 1)];
    if (!vector.complex) return;
    for (std::size_t i = 0; i < n; ++i) out[n + i] += p[vector.period + (i & (vector.period - 1))];
  }

  // x times one period of a plain vector.
  void add_weighted(const std::vector<double>& x, const std::vector<double>& p, std::size_t period, bool complex,
                    std::vector<double>& out) const {
    const std::size_t n = program_.slots;
    for (std::size_t base = 0; base < x.size(); base += period)
      for (std::size_t i = 0; i < period; ++i) out[base + i] += x[base + i] * p[i];
    if (!complex) return;
    const double* const imaginary = p.data() + period;
    for (std::size_t base = 0; base < n; base += period)
      for (std::size_t i = 0; i < period; ++i) {
        out[n + base + i] += x[base + i] * imaginary[i];
        out[base + i] -= at(x, n + base + i) * imaginary[i];
      }
  }

  void add_product(const std::vector<double>& x, const std::vector<double>& y, std::vector<double>& out) const {
    const std::size_t n = program_.slots;
    for (std::size_t i = 0; i < n; ++i) out[i] += x[i] * y[i];
    if (out.size() == n) return;
    for (std::size_t i = 0; i < n; ++i) {
      out[i] -= at(x, n + i) * at(y, n + i);
      out[n + i] += x[i] * at(y, n + i) + at(x, n + i) * y[i];
    }
  }

  const Program& program_;
  Lengths lengths_;
  std::optional<Noise> noise_;
  bool keep_all_;
  std::vector<std::vector<double>> values_, fresh_;
  std::shared_ptr<Shared> shared_;
  std::vector<int> uses_;
  std::size_t next_step_ = 0;
  ClearResult result_;
};

}  // namespace

ClearResult run_clear(const Program& program, std::span<const double> embeddings, const Lengths& lengths,
                      const std::optional<NoiseModel>& noise) {
  return Interpreter(program, embeddings, lengths, noise, false).run();
}

NoiseEstimate simulate_noise(const Program& program, const NoiseModel& noise, std::span<const double> embeddings,
                             const Lengths& lengths, int runs) {
  if (runs < 1) throw Error(ErrorCode::internal, "a simulation of " + std::to_string(runs) + " runs");
  Interpreter exact(program, embeddings, lengths, std::nullopt, false);
  std::deque<Interpreter> noisy;
  for (int r = 0; r < runs; ++r) {
    NoiseModel model = noise;
    model.seed = noise.seed + static_cast<std::uint64_t>(r) * 0x632be59bd9b4e019;
    noisy.emplace_back(program, embeddings, lengths, model, false, exact.shared());
  }
  NoiseEstimate estimate;
  std::vector<double> result(program.result_slots.size(), 0.0);
  for (std::size_t id = 0; id < program.nodes.size(); ++id) {
    exact.compute(id);
    const std::vector<double>& x = exact.value(id);
    double square = 0, variance = 0;
    for (double v : x) square += v * v;
    for (Interpreter& run : noisy) {
      run.compute(id);
      const std::vector<double>& y = run.value(id);
      for (std::size_t i = 0; i < x.size(); ++i) variance += (y[i] - x[i]) * (y[i] - x[i]);
      for (std::size_t i = 0; i < result.size(); ++i) {
        const SlotSource& from = program.result_slots[i];
        if (program.results[static_cast<std::size_t>(from.input)] != id) continue;
        result[i] += (y[from.slot] - x[from.slot]) * (y[from.slot] - x[from.slot]);
      }
    }
    estimate.magnitude.push_back(std::sqrt(square / static_cast<double>(x.size())));
    estimate.deviation.push_back(std::sqrt(variance / static_cast<double>(x.size()) / runs));
    exact.release_inputs(id);
    for (Interpreter& run : noisy) run.release_inputs(id);
  }
  for (double r : result) estimate.result.push_back(std::sqrt(r / runs));
  return estimate;
}

std::vector<std::vector<double>> trace_clear(const Program& program, std::span<const double> embeddings,
                                             const Lengths& lengths) {
  Interpreter interpreter(program, embeddings, lengths, std::nullopt, true);
  interpreter.run();
  return interpreter.take_values();
}

}  // namespace thex::circuit
